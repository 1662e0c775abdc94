#include "calib/activation_store.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "apiq/error.hpp"
#include "cases/device_fixture.hpp"
#include "ops/nn.hpp"
#include "support/count.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"
#include "util/atomic_file.hpp"
#include "util/sha256.hpp"
#include "util/trace.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;
using calib::ActivationLayout;
using calib::ActivationPlace;
using calib::ActivationStore;
using calib::Placement;
using calib::SavedFile;
using calib::SavedStream;
using testing::random_floats;
using testing::shared_device;
using testing::shared_queue;

constexpr Placement kPlacements[] = {Placement::device, Placement::host, Placement::file};

std::string bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

/// The content of an activation file as docs/work-directory.md describes it, put together here.
std::string file_text(const ActivationLayout& layout, const std::vector<std::vector<float>>& samples) {
  std::string out = "APIQACTV";
  const auto append = [&](std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  };
  append(1, 4);
  append(layout.num_samples, 4);
  append(layout.tokens, 8);
  append(layout.features, 8);
  append(0, 8), append(0, 8), append(0, 8), append(0, 8);
  for (const auto& sample : samples) out += bytes_of(sample);
  return out;
}

class Stores : public ::testing::TestWithParam<Placement> {
 protected:
  ActivationPlace place(bool saves = true) const { return {GetParam(), saves, folder_.path(), nullptr}; }
  ActivationStore make(const ActivationLayout& layout) const {
    return {shared_queue(), layout, place(), "test"};
  }
  static std::vector<float> values(const ActivationLayout& layout, std::uint32_t seed) {
    return random_floats(layout.tokens * layout.features, seed);
  }
  static std::vector<float> read(ActivationStore& store, std::uint32_t i) {
    return runtime::read_floats(shared_queue(), store.open(i));
  }
  static void put(ActivationStore& store, std::uint32_t i, const std::vector<float>& data) {
    shared_queue().write(store.create(i), data.data());
    store.commit(i);
  }
  /// x = x + x on every sample, enqueued without ever waiting.
  static SavedStream double_all(ActivationStore& store, const ActivationLayout& layout,
                                const fs::path& save_to = {}) {
    store.begin_pass(save_to);
    for (std::uint32_t i = 0; i < layout.num_samples; ++i) {
      const runtime::TensorView x = store.open(i);
      auto doubled = runtime::DeviceTensor(shared_device(), DType::f32, x.shape, "doubled");
      shared_queue().copy(x, doubled);
      ops::add(shared_queue(), doubled, x, x);
      store.commit(i);
    }
    return store.end_pass();
  }
  test::TemporaryFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Placements, Stores, ::testing::ValuesIn(kPlacements), [](const auto& test) {
  return test.param == Placement::device ? "Device" : test.param == Placement::host ? "Host" : "File";
});

TEST_P(Stores, KeepWhatWasCommittedInAnyOrder) {
  // Odd sizes, one sample larger than the pieces in which files are read (2 MiB).
  for (const ActivationLayout layout :
       {ActivationLayout{5, 7, 13}, ActivationLayout{1, 1, 1}, ActivationLayout{3, 701, 1001}}) {
    ActivationStore store = make(layout);
    std::vector<std::vector<float>> expected;
    for (std::uint32_t i = 0; i < layout.num_samples; ++i)
      put(store, i, expected.emplace_back(values(layout, i)));
    std::mt19937 random(3);
    for (int step = 0; step < 60; ++step) {
      const std::uint32_t i = random() % layout.num_samples;
      switch (random() % 4) {
        case 0: put(store, i, expected[i] = values(layout, random())); break;
        case 1: {
          const runtime::TensorView x = store.open(i);
          shared_queue().fill_zero(x.rows(0, 1));
          std::fill_n(expected[i].begin(), layout.features, 0.0f);
          store.commit(i);
          break;
        }
        default: ASSERT_EQ(read(store, i), expected[i]) << i << " at step " << step;
      }
    }
    ActivationStore moved = std::move(store);
    for (std::uint32_t i = 0; i < layout.num_samples; ++i) ASSERT_EQ(read(moved, i), expected[i]) << i;
    for (std::uint32_t i = layout.num_samples; i-- > 0;) ASSERT_EQ(read(moved, i), expected[i]) << i;
  }
  EXPECT_TRUE(fs::is_empty(folder_.path())) << "scratch files have no names";
}

TEST_P(Stores, PassesRewriteEverySampleAndMayBeSaved) {
  const ActivationLayout layout{6, 37, 129};
  const fs::path first = folder_.path() / "a.f32", second = folder_.path() / "b.f32";
  std::vector<std::vector<float>> expected;
  SavedStream saved_first, saved_second;
  {
    ActivationStore store = make(layout);
    // The first pass fills, the next ones double; nothing waits between them.
    store.begin_pass(first);
    for (std::uint32_t i = 0; i < layout.num_samples; ++i)
      put(store, i, expected.emplace_back(values(layout, i)));
    saved_first = store.end_pass();
    EXPECT_FALSE(double_all(store, layout).valid());
    for (int pass = 0; pass < 3; ++pass) double_all(store, layout);
    saved_second = double_all(store, layout, second);
    double_all(store, layout);
    for (std::uint32_t i = 0; i < layout.num_samples; ++i) {
      auto doubled = expected[i];
      for (float& value : doubled) value *= 64;
      EXPECT_EQ(read(store, i), doubled) << i;
    }
  }
  // What is saved is what was there at that pass, whatever happened to the samples since; also after the
  // store is gone.
  const auto check = [&](const SavedStream& saved, const fs::path& path, float factor) {
    auto scaled = expected;
    for (auto& sample : scaled)
      for (float& value : sample) value *= factor;
    const std::string text = file_text(layout, scaled);
    EXPECT_EQ(saved.get().path, path);
    EXPECT_EQ(saved.get().bytes, text.size());
    EXPECT_EQ(saved.get().sha256, sha256_of(text));
    EXPECT_EQ(ActivationStore::file_bytes(layout), text.size());
    EXPECT_TRUE(read_file(path) == text);
  };
  check(saved_first, first, 1);
  check(saved_second, second, 32);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 2) << "and nothing else";
}

TEST_P(Stores, ContinueFromASavedFile) {
  const ActivationLayout layout{4, 300, 1200};  // 1.4 MB a sample
  std::vector<std::vector<float>> expected;
  for (std::uint32_t i = 0; i < layout.num_samples; ++i) expected.push_back(values(layout, i));
  const std::string text = file_text(layout, expected);
  const fs::path path = folder_.write("saved.f32", text);
  const auto load = [&](const std::string& sha256) {
    return ActivationStore::load(shared_queue(), layout, place(), "test", path, sha256);
  };
  {
    ActivationStore store = load(sha256_of(text));
    EXPECT_EQ(read(store, 2), expected[2]);
    double_all(store, layout);
    for (float& value : expected[2]) value *= 2;
    EXPECT_EQ(read(store, 2), expected[2]);
    put(store, 1, expected[0]);
    EXPECT_EQ(read(store, 1), expected[0]);
  }
  EXPECT_TRUE(read_file(path) == text) << "a saved file is never changed";
  EXPECT_NO_THROW(load(""));
  if (GetParam() == Placement::file) {
    ActivationStore store = load("");
    shared_queue().write(store.create(0), expected[0].data());
    EXPECT_THROW(store.commit(0), InvalidArgument);
  }
}

TEST_P(Stores, RefuseFilesThatAreNotWhatTheySay) {
  const ActivationLayout layout{2, 3, 5};
  const std::string good = file_text(layout, {values(layout, 0), values(layout, 1)});
  const auto refusal = [&](const std::string& text, const std::string& sha256) {
    const fs::path path = folder_.write("x.f32", text);
    const std::string error = test::error_text<FormatError>(
        [&] { ActivationStore::load(shared_queue(), layout, place(), "test", path, sha256); });
    EXPECT_NE(error.find(path.string()), std::string::npos) << error;
    return error;
  };
  const std::string hash = sha256_of(good);
  std::string damaged = good;
  damaged[good.size() - 5] ^= 1;
  EXPECT_NE(refusal(damaged, hash).find("sha256"), std::string::npos);
  EXPECT_NE(refusal(good.substr(0, good.size() - 1), hash).find("bytes"), std::string::npos);
  EXPECT_NE(refusal(good + "x", "").find("bytes"), std::string::npos);
  refusal("", "");
  refusal(good.substr(0, 63), "");
  refusal("not an activation file, but text that is long enough for a header", "");
  for (const std::size_t at : {0u, 8u, 12u, 16u, 24u, 40u, 63u}) {
    std::string changed = good;
    changed[at] ^= 4;
    refusal(changed, "");
  }
  EXPECT_THROW(
      ActivationStore::load(shared_queue(), layout, place(), "test", folder_.path() / "absent", hash),
      IoError);
  EXPECT_THROW(ActivationStore::load(shared_queue(), layout, place(), "test", folder_.path(), hash), Error);
}

TEST_P(Stores, TakeExactlyWhatThePlanSays) {
  const ActivationLayout layout{5, 11, 100};
  for (const bool saves : {false, true}) {
    const auto device_before = shared_device().budget().in_use_bytes(),
               host_before = shared_device().host_budget().in_use_bytes();
    ActivationStore store(shared_queue(), layout, place(saves), "test");
    store.begin_pass(saves ? folder_.path() / "s.f32" : fs::path());
    for (std::uint32_t i = 0; i < layout.num_samples; ++i) put(store, i, values(layout, i));
    store.end_pass();
    for (std::uint32_t i = 0; i < layout.num_samples; ++i) store.open(i);
    EXPECT_EQ(shared_device().budget().in_use_bytes() - device_before,
              ActivationStore::device_bytes(layout, GetParam()));
    EXPECT_EQ(shared_device().host_budget().in_use_bytes() - host_before,
              ActivationStore::host_bytes(layout, GetParam(), saves));
  }
}

TEST_P(Stores, MisuseIsRefusedAlikeEverywhere) {
  const ActivationLayout layout{3, 2, 2};
  ActivationStore store = make(layout);
  const auto data = values(layout, 0);
  for (std::uint32_t i = 0; i < 3; ++i) put(store, i, data);
  EXPECT_THROW(store.open(3), InvalidArgument);
  EXPECT_THROW(store.end_pass(), InvalidArgument);
  store.open(1);
  EXPECT_THROW(store.commit(0), InvalidArgument);
  store.begin_pass();
  EXPECT_THROW(store.begin_pass(), InvalidArgument);
  store.open(1);
  EXPECT_THROW(store.commit(1), InvalidArgument) << "0 comes first";
  put(store, 0, data);
  EXPECT_THROW(store.open(0), InvalidArgument) << "old contents are gone or not, by placement";
  EXPECT_THROW(store.end_pass(), InvalidArgument);
  ActivationStore unsaved(shared_queue(), layout, place(false), "test");
  EXPECT_THROW(unsaved.begin_pass(folder_.path() / "x.f32"), InvalidArgument);
}

TEST_P(Stores, APassThatIsGivenUpLeavesNoFile) {
  const ActivationLayout layout{3, 100, 100};
  {
    ActivationStore store = make(layout);
    store.begin_pass(folder_.path() / "x.f32");
    put(store, 0, values(layout, 0));
  }
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

/// A limit on the size of files fails writes as a full disk does, without needing one.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit old_{};
  void (*handler_)(int);
};

TEST_P(Stores, AFullDiskIsReportedBeforeAnyWorkIsSpent) {
  const ActivationLayout layout{4, 100, 100};
  const fs::path path = folder_.path() / "x.f32";
  ActivationStore store = make(layout);
  for (std::uint32_t i = 0; i < 4; ++i) put(store, i, values(layout, i));
  for (std::uint32_t i = 0; i < 4; ++i) read(store, i);  // every sample is where it belongs by now
  std::string error;
  {
    const FileSizeLimit limit(100000);
    error = test::error_text<IoError>([&] { store.begin_pass(path); });
  }
  for (const std::string& part : {path.string(), std::string("156.31 KiB"), std::string("--work-dir")})
    EXPECT_NE(error.find(part), std::string::npos) << error;
  EXPECT_TRUE(fs::is_empty(folder_.path()));
  for (std::uint32_t i = 0; i < 4; ++i)
    EXPECT_EQ(read(store, i), values(layout, i)) << "nothing else is lost";
  // With room again, the same pass runs.
  const SavedFile saved = double_all(store, layout, path).get();
  EXPECT_EQ(saved.bytes, fs::file_size(path));
}

TEST_P(Stores, ADiskThatFillsUpDuringAPassIsReportedAtTheNextCommitAndWhenAwaited) {
  const ActivationLayout layout{4, 100, 100};
  const fs::path path = folder_.path() / "x.f32";
  {
    ActivationStore store = make(layout);
    for (std::uint32_t i = 0; i < 4; ++i) put(store, i, values(layout, i));
    for (std::uint32_t i = 0; i < 4; ++i) read(store, i);  // every sample is where it belongs by now
    // In the pass: the third sample does not fit; a later commit says so.
    store.begin_pass(path);
    const FileSizeLimit limit(100000);
    const std::string error = test::error_text<IoError>([&] {
      for (std::uint32_t i = 0; i < 4; ++i) {
        put(store, i, values(layout, 10 + i));
        std::this_thread::sleep_for(std::chrono::milliseconds(100));  // the writing thread gets there
      }
      store.end_pass().get();
    });
    EXPECT_NE(error.find(path.string()), std::string::npos) << error;
  }
  EXPECT_TRUE(fs::is_empty(folder_.path()));
  {
    // The last sample does not fit: only what is awaited, and the commit after it, can say so.
    ActivationStore store = make(layout);
    for (std::uint32_t i = 0; i < 4; ++i) put(store, i, values(layout, i));
    for (std::uint32_t i = 0; i < 4; ++i) read(store, i);
    store.begin_pass(path);
    const FileSizeLimit limit(150000);
    for (std::uint32_t i = 0; i < 4; ++i) put(store, i, values(layout, 10 + i));
    const SavedStream saved = store.end_pass();
    EXPECT_THROW(saved.get(), IoError);
    EXPECT_THROW(put(store, 0, values(layout, 20)), IoError);
    if (GetParam() != Placement::file) {
      put(store, 0, values(layout, 20));
      EXPECT_EQ(read(store, 0), values(layout, 20));
      EXPECT_EQ(read(store, 3), values(layout, 13)) << "samples in memory are still there";
    } else {
      EXPECT_THROW(store.open(3), IoError) << "it is nowhere";
      EXPECT_EQ(read(store, 2), values(layout, 12));
    }
  }
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

/// How often samples were read from files (samples of at most one piece: one span each).
std::size_t loads_of(const Trace& trace, const test::TemporaryFolder& folder) {
  const fs::path path = folder.path() / "trace.json";
  trace.write(path);
  return test::count_of(read_file(path), R"("tid":3,"name":"activations")");
}

TEST(ActivationStores, ReadEachSampleOnceInAPassThatAlsoWritesIt) {
  const test::TemporaryFolder folder;
  const ActivationLayout layout{8, 40, 65};
  auto& queue = shared_queue();
  Trace trace;
  const auto make = [&](bool saves) {
    return ActivationStore(queue, layout, {Placement::file, saves, folder.path(), &trace}, "samples");
  };
  ActivationStore residuals = make(true), inputs = make(false);
  for (std::uint32_t i = 0; i < layout.num_samples; ++i) {
    queue.write(residuals.create(i), random_floats(40 * 65, i).data());
    residuals.commit(i);
  }
  EXPECT_EQ(loads_of(trace, folder), 0u);
  const auto doubled = runtime::DeviceTensor(shared_device(), DType::f32, {40, 65}, "doubled");
  // A stream through a block: out of place, in two stores of which one is rewritten.
  residuals.begin_pass();
  inputs.begin_pass();
  for (std::uint32_t i = 0; i < layout.num_samples; ++i) {
    const runtime::TensorView x = residuals.open(i);
    ops::add(queue, x, x, doubled);
    queue.copy(doubled, inputs.create(i));
    inputs.commit(i);
    queue.copy(doubled, residuals.create(i));
    residuals.commit(i);
  }
  residuals.end_pass();
  inputs.end_pass();
  EXPECT_EQ(loads_of(trace, folder), 8u);
  // The next stage reads both, and the error of a stream is taken while another one is written.
  residuals.begin_pass();
  for (std::uint32_t i = 0; i < layout.num_samples; ++i) {
    const runtime::TensorView x = inputs.open(i);
    ops::add(queue, x, residuals.open(i), doubled);
    queue.copy(doubled, residuals.create(i));
    residuals.commit(i);
  }
  residuals.end_pass();
  EXPECT_EQ(loads_of(trace, folder), 24u);
  for (std::uint32_t i = 0; i < layout.num_samples; ++i) {
    std::vector<float> expected = random_floats(40 * 65, i);
    for (float& value : expected) value *= 4;
    EXPECT_EQ(runtime::read_floats(queue, residuals.open(i)), expected) << i;
  }
  EXPECT_EQ(loads_of(trace, folder), 32u);
}

TEST(ActivationStores, GiveTheSameBytesEverywhere) {
  // Two streams that feed each other, as calibration does, on all placements; the saved files must be equal
  // byte by byte.
  const test::TemporaryFolder folder;
  const ActivationLayout layout{7, 33, 65};
  auto& queue = shared_queue();
  std::vector<std::string> hashes;
  for (const Placement outer : kPlacements)
    for (const Placement inner : kPlacements) {
      ActivationStore residuals(queue, layout, {outer, true, folder.path(), nullptr}, "residuals");
      for (std::uint32_t i = 0; i < layout.num_samples; ++i) {
        queue.write(residuals.create(i), random_floats(33 * 65, i).data());
        residuals.commit(i);
      }
      SavedStream saved;
      for (int block = 0; block < 3; ++block) {
        ActivationStore inputs(queue, layout, {inner, false, folder.path(), nullptr}, "inputs");
        for (std::uint32_t i = 0; i < layout.num_samples; ++i) {
          const runtime::TensorView out = inputs.create(i);
          queue.copy(residuals.open((i + 3) % 7), out);
          ops::add(queue, out, residuals.open(i), out);
          inputs.commit(i);
        }
        residuals.begin_pass(folder.path() / "saved.f32");
        for (std::uint32_t i = 0; i < layout.num_samples; ++i) {
          const runtime::TensorView x = residuals.open(i);
          ops::add(queue, x, inputs.open(6 - i), x);
          residuals.commit(i);
        }
        saved = residuals.end_pass();
      }
      hashes.push_back(saved.get().sha256);
    }
  for (const std::string& hash : hashes) EXPECT_EQ(hash, hashes[0]);
}

}  // namespace
}  // namespace apiq
