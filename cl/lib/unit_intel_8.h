// Intel devices whose least sub-group has 8 lanes (DG2).
#define SUB_GROUP 8
