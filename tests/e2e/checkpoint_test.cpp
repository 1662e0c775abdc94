// Using a checkpoint: evaluation, generation, inspection; and a checkpoint that was damaged.
#include "e2e/fixture.hpp"

namespace apiq::testing {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> tiny_eval(const fs::path& model, const std::vector<std::string>& more = {}) {
  std::vector<std::string> out = {
      "--quiet",           "--model", model.string(), "--text", (kModel / "validation.txt").string(),
      "--sequence-length", "64",      "--max-tokens", "256"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

TEST(Checkpoint, EvaluatesAgainstTheModelItCameFrom) {
  const auto json = json_of(
      run("apiq-eval", tiny_eval(tiny_checkpoint(), {"--reference", kModel.string(), "--json", "-"})));
  for (const char* key : {"perplexity", "mean_nll", "windows", "predictions", "sequence_length",
                          "kl_divergence", "top1_agreement"})
    EXPECT_TRUE(json.contains(key)) << key;
  EXPECT_EQ(json["windows"], 4);
  EXPECT_EQ(json["predictions"], 4 * 63);
  EXPECT_NEAR(json["perplexity"].get<double>(), std::exp(json["mean_nll"].get<double>()),
              1e-9 * json["perplexity"].get<double>());
  EXPECT_GT(json["kl_divergence"].get<double>(), 0.0);
}

TEST(Checkpoint, AModelAgreesWithItself) {
  const auto json =
      json_of(run("apiq-eval", tiny_eval(kModel, {"--reference", kModel.string(), "--json", "-"})));
  EXPECT_EQ(json["top1_agreement"].get<double>(), 1.0);
  // p log p - p log p in fp32: nothing but rounding, of the order of the logits' epsilon.
  EXPECT_NEAR(json["kl_divergence"].get<double>(), 0.0, 1e-5);
}

TEST(Checkpoint, LoraCanBeLeftOut) {
  const auto with = json_of(run("apiq-eval", tiny_eval(tiny_checkpoint(), {"--json", "-"})));
  const auto without = json_of(run("apiq-eval", tiny_eval(tiny_checkpoint(), {"--no-lora", "--json", "-"})));
  EXPECT_NE(with["perplexity"], without["perplexity"]);
}

TEST(Checkpoint, GeneratesTheSameTextTwiceAndStreamsIt) {
  const std::vector<std::string> arguments = {
      "--model", tiny_checkpoint().string(), "--prompt", "It was", "--max-tokens", "8", "--quiet"};
  const Outcome text = run("apiq-generate", arguments);
  ASSERT_EQ(text.status, 0) << text.err;
  auto with_json = arguments;
  with_json.insert(with_json.end(), {"--json", "-"});
  const auto json = json_of(run("apiq-generate", with_json));
  EXPECT_EQ(text.out, json["text"].get<std::string>() + "\n");
  EXPECT_LE(json["tokens"], 8);
  for (const char* key : {"prefill_tokens_per_second", "decode_tokens_per_second"})
    EXPECT_TRUE(json.contains(key)) << key;
}

TEST(Checkpoint, InspectShowsAndVerifies) {
  const Outcome outcome = run("apiq-inspect", {tiny_checkpoint().string(), "--verify"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("model.layers.5.mlp.down_proj"));
  const auto json = json_of(run("apiq-inspect", {tiny_checkpoint().string(), "--json", "-"}));
  EXPECT_EQ(json["linears"].size(), 6u * 7u);
  EXPECT_EQ(json["tensors"].size(), 1u + 6u * 2u + 1u);  // embedding (tied), two norms a block, the last norm
  EXPECT_EQ(json["options"]["bits"], 2);
  EXPECT_EQ(json["config"]["hidden_size"], 256);
  EXPECT_EQ(json["provenance"]["seed"], 0);
  EXPECT_DOUBLE_EQ(json["bits_per_weight"], 2.0 + 18.0 / 64.0);
}

TEST(Checkpoint, ComparesEqualToItself) {
  const std::string path = tiny_checkpoint().string();
  EXPECT_EQ(run("apiq-inspect", {path, "--compare", path}).out, "no difference\n");
  expect_failure(run("apiq-inspect", {path, "--compare", kModel.string()}), 1, {kModel.string()});
}

/// What a damaged file must do in every program that reads it.
void expect_every_reader_refuses(const fs::path& path) {
  const std::string name = path.string();
  expect_failure(run("apiq-inspect", {"--quiet", name, "--verify"}), 1, {name});
  expect_failure(run("apiq-eval", tiny_eval(path)), 1, {name});
  expect_failure(run("apiq-generate", {"--quiet", "--model", name, "--prompt", "x", "--max-tokens", "1"}), 1,
                 {name});
}

TEST(DamagedCheckpoint, CutAnywhere) {
  const std::string bytes = read_bytes(tiny_checkpoint());
  const Folder folder;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{7}, std::size_t{100}, bytes.size() / 2, bytes.size() - 1}) {
    write_bytes(folder / "cut.h5", bytes.substr(0, size));
    expect_every_reader_refuses(folder / "cut.h5");
  }
}

TEST(DamagedCheckpoint, AFlippedByteOfData) {
  std::string bytes = read_bytes(tiny_checkpoint());
  const std::size_t place = bytes.size() / 2;  // almost all of the file is tensors
  bytes[place] = static_cast<char>(bytes[place] ^ 0x10);
  const Folder folder;
  write_bytes(folder / "flipped.h5", bytes);
  expect_failure(run("apiq-inspect", {"--quiet", (folder / "flipped.h5").string(), "--verify"}), 1,
                 {"flipped.h5"});
  expect_failure(run("apiq-eval", tiny_eval(folder / "flipped.h5")), 1, {"flipped.h5"});
}

TEST(DamagedCheckpoint, AFlippedByteAnywhereIsFoundOrHarmless) {
  const std::string bytes = read_bytes(tiny_checkpoint());
  const Folder folder;
  const std::string path = (folder / "flipped.h5").string();
  constexpr int kPlaces = 24;
  int found = 0;
  for (int i = 0; i < kPlaces; ++i) {
    std::string damaged = bytes;
    // The first half looks closely at the start, where HDF5 keeps its structure; the rest covers the file.
    const std::size_t place = i < kPlaces / 2 ? static_cast<std::size_t>(i) * 97
                                              : bytes.size() / kPlaces * static_cast<std::size_t>(i) + 13;
    damaged[place] = static_cast<char>(damaged[place] ^ 0x01);
    write_bytes(path, damaged);
    const Outcome verified = run("apiq-inspect", {"--quiet", path, "--verify"});
    if (verified.status == 0) {
      // HDF5 leaves gaps that hold nothing: then the payload must be what it was.
      EXPECT_EQ(run("apiq-inspect", {path, "--compare", tiny_checkpoint().string()}).out, "no difference\n")
          << "byte " << place;
      continue;
    }
    ++found;
    expect_failure(verified, 1, {"flipped.h5"});
  }
  EXPECT_GE(found, kPlaces / 2);  // every one of the second half is data
}

TEST(DamagedCheckpoint, AnotherKindOfFile) {
  const fs::path path = kModel / "validation.txt";
  expect_failure(run("apiq-inspect", {path.string()}), 1, {path.string()});
  expect_failure(run("apiq-eval", tiny_eval(path)), 1, {path.string()});
}

}  // namespace
}  // namespace apiq::testing
