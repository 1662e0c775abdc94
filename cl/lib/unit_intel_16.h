// Intel devices whose least sub-group has 16 lanes (PVC, Battlemage).
#define SUB_GROUP 16
