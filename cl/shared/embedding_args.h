// Arguments of cl/nn/embedding.cl. Offsets in elements.
#ifndef APIQ_SHARED_EMBEDDING_ARGS_H
#define APIQ_SHARED_EMBEDDING_ARGS_H
typedef struct EmbeddingArgs {
  APIQ_UINT vocab_size, hidden_size;
  APIQ_UINT table_offset, ids_offset, x_offset;
} EmbeddingArgs;
#endif
