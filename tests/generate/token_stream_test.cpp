// What becomes of ids on their way to the host when a stream of tokens fails while it is made.
#include "generate/token_stream.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "apiq/error.hpp"
#include "apiq/model.hpp"
#include "cases/public_device.hpp"
#include "model/model_impl.hpp"
#include "support/paths.hpp"

namespace apiq {
namespace {

const std::filesystem::path kNovels = std::filesystem::path(APIQ_SOURCE_DIR) / "data" / "novels-6m";

/// The first batch is being read when the second finds no room: its memory may not go before the read has
/// ended.
TEST(GreedyStream, WaitsForItsReadsWhereItCannotBeMade) {
  Device& device = testing::public_device();
  runtime::Queue& queue = device.impl().queue();
  // Token by token, where the host itself sees that there is no room for another id.
  device.impl().tuning().set("decode_token", {{"USED", 0}});
  const Model model = Model::load(device, kNovels);
  const ModelImpl& impl = model.impl();
  const KvCache cache(queue, impl.config(), 128, impl.activation_dtype());
  Decoder decoder(impl, cache, 1, {});
  device.impl().tuning().set("decode_token", {});
  ASSERT_FALSE(decoder.is_whole());
  const std::vector<std::int32_t> prompt(100, 1);
  for (int i = 0; i < 40; ++i) decoder.prefill(prompt);  // keeps the device busy for a while
  const runtime::Event busy = queue.mark();
  EXPECT_THROW(generate_detail::GreedyStream(queue, decoder, 2), ShapeError);
  EXPECT_TRUE(busy.done()) << "what is read comes after this";
  queue.finish();
}

}  // namespace
}  // namespace apiq
