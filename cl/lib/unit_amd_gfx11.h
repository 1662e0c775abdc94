// RDNA 3.
#define WMMA_GFX12 0
