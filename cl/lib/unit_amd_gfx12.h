// RDNA 4.
#define WMMA_GFX12 1
