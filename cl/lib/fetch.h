// FETCH(address) asks for a line of memory that is needed later. A processor's own prefetching stops at every
// page, and keys of one head lie far apart. (OpenCL's prefetch() is empty on PoCL.)
#ifdef __x86_64__
#define FETCH(address) __builtin_prefetch(address)
#else
#define FETCH(address) ((void)0)
#endif
