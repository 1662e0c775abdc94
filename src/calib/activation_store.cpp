// Device and host memory are ordered by events alone: the host runs ahead and waits only for the disk.
//
// A host or file store shows samples through two device slots. While the computation works on one, whether it
// reads the sample or replaces it, the next sample is uploaded into the other, after the computation that
// used it (a mark of the queue) and after the download of what was committed from it. Downloads and uploads
// have a queue each: a download waits for the computation of its sample, and the next upload must not wait
// behind it.
#include "calib/activation_store.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "apiq/error.hpp"
#include "calib/activation_generation.hpp"
#include "runtime/pinned_buffer.hpp"
#include "runtime/transfer_queue.hpp"
#include "runtime/upload_ring.hpp"
#include "util/worker.hpp"

namespace apiq::calib {

using runtime::Event;
using runtime::PinnedBuffer;
using runtime::TransferQueue;
using runtime::UploadRing;

namespace {

constexpr std::uint32_t kDeviceSlots = 2;
constexpr std::uint32_t kStagingSlots = 2;  // samples on their way into a file
constexpr std::uint32_t kReadSlots = 2;     // parts of a sample on their way from a file
constexpr std::uint64_t kReadSlotBytes = std::uint64_t{2} << 20;
constexpr std::int64_t kNone = -1;

bool needs_staging(Placement placement, bool saves) {
  return placement == Placement::file || (placement == Placement::device && saves);
}

}  // namespace

struct ActivationStore::Impl {
  struct Slot {
    DeviceTensor tensor;
    std::int64_t sample = kNone;
    bool loaded_ahead = false;  // holds, or is about to hold, `sample`, and open() has not handed it out yet
    std::shared_future<void> enqueued;  // file stores: `uploaded` is to be read after this
    Event uploaded, downloaded;
  };
  struct Staging {
    PinnedBuffer memory;
    std::shared_future<void> written;
  };

  Impl(Queue& q, const ActivationLayout& l, const ActivationPlace& p, std::string_view what);
  ~Impl();

  TensorView open(std::uint32_t sample);
  TensorView create(std::uint32_t sample);
  void commit(std::uint32_t sample);
  void begin_pass(const std::filesystem::path& save_to);
  SavedStream end_pass();
  void read_memory(const ActivationFile& file);

  void check_sample(std::uint32_t sample) const;
  void load_into(Slot& slot, std::uint32_t sample);
  void let_settle(Slot& slot);
  void wait_for_disk(const std::shared_future<void>& done, const char* what);
  Staging& next_staging();
  std::shared_future<void> write_later(std::shared_ptr<ActivationGeneration> to, std::uint32_t sample,
                                       const Event& ready, const PinnedBuffer& from);
  void commit_on_device(std::uint32_t sample);
  void commit_to_host(std::uint32_t sample);
  void commit_to_file(std::uint32_t sample);

  Queue& queue;
  const ActivationLayout layout;
  const ActivationPlace place;
  double wait_seconds = 0;
  std::int64_t current = kNone, last_opened = kNone;  // samples

  bool in_pass = false;
  std::uint32_t next_commit = 0;                     // of the pass
  std::shared_ptr<ActivationGeneration> written_to;  // what the pass is written to, if anything
  std::shared_ptr<ActivationGeneration> ended;  // of the last pass that was saved: its error is reported once
  std::shared_ptr<ActivationGeneration> newest;  // file stores: what open() reads
  std::vector<std::shared_future<void>> in_newest,
      in_written;  // file stores: when each sample is in `newest`, `written_to`

  std::vector<DeviceTensor> samples;  // device stores
  std::vector<Event> saved_from;      // device stores: the last copy from each sample into staging memory
  std::vector<PinnedBuffer> host;     // host stores
  std::vector<Event> arrived;         // host stores: the last download into each sample
  std::vector<std::shared_future<void>> saving;  // host stores: the last write from each sample
  std::array<Slot, kDeviceSlots> slots;
  std::size_t slot = 0;  // of the latest open() or create()
  std::array<Staging, kStagingSlots> staging;
  std::size_t staging_index = 0;

  // From here on what uses the memory above, destroyed first.
  std::optional<TransferQueue> uploads, downloads;
  std::optional<UploadRing> ring;
  std::optional<Worker> reader, writer;
};

ActivationStore::Impl::Impl(Queue& q, const ActivationLayout& l, const ActivationPlace& p,
                            std::string_view what)
    : queue(q), layout(l), place(p) {
  runtime::Device& device = queue.device();
  const Shape shape{layout.tokens, layout.features};
  const std::uint32_t n = layout.num_samples;
  if (place.placement == Placement::device) {
    for (std::uint32_t i = 0; i < n; ++i) samples.emplace_back(device, DType::f32, shape, what);
    saved_from.resize(n);
  } else {
    for (Slot& s : slots) s.tensor = DeviceTensor(device, DType::f32, shape, what);
  }
  if (place.placement == Placement::host) {
    for (std::uint32_t i = 0; i < n; ++i) host.emplace_back(device, layout.sample_bytes(), what);
    arrived.resize(n);
    saving.resize(n);
    uploads.emplace(device, what, place.trace);
  }
  if (place.placement == Placement::file) {
    ring.emplace(device, kReadSlots, kReadSlotBytes, what, place.trace);
    reader.emplace();
    in_newest.resize(n);
    in_written.resize(n);
  }
  if (needs_staging(place.placement, place.saves))
    for (Staging& s : staging) s.memory = PinnedBuffer(device, layout.sample_bytes(), what);
  if (place.placement != Placement::device || place.saves) downloads.emplace(device, what, place.trace);
  if (place.placement == Placement::file || place.saves) writer.emplace();
}

ActivationStore::Impl::~Impl() {
  if (written_to) written_to->abandon();
}

void ActivationStore::Impl::check_sample(std::uint32_t sample) const {
  if (sample >= layout.num_samples)
    throw InvalidArgument("[activations] sample " + std::to_string(sample) + " of " +
                          std::to_string(layout.num_samples));
  if (in_pass && sample < next_commit)
    throw InvalidArgument("[activations] sample " + std::to_string(sample) +
                          " was already committed in this pass; expected one from " +
                          std::to_string(next_commit) + " on");
}

void ActivationStore::Impl::wait_for_disk(const std::shared_future<void>& done, const char* what) {
  const auto begin = std::chrono::steady_clock::now();
  const Trace::Scope scope(place.trace, Trace::Lane::host, what);
  done.wait();
  wait_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Begins to bring the sample into the slot, whose old contents nobody needs after the computation enqueued
/// so far.
void ActivationStore::Impl::load_into(Slot& s, std::uint32_t sample) {
  if (s.enqueued.valid()) s.enqueued.wait();  // an earlier load ahead that was not used
  s.sample = sample;
  if (place.placement == Placement::host) {
    const std::array after{queue.mark(), s.downloaded, arrived[sample]};
    s.uploaded = uploads->write(s.tensor, host[sample].data(), after);
    return;
  }
  s.enqueued = reader->submit([this, &s, sample, from = newest, written = in_newest[sample],
                               after = std::array{queue.mark(), s.downloaded}] {
    if (written.valid()) written.get();
    s.uploaded = ring->upload(s.tensor, after, [&](std::uint64_t offset, std::span<std::byte> part) {
      const Trace::Scope scope(place.trace, Trace::Lane::disk_read, "activations");
      from->file().read(sample, offset, part);
    });
  });
}

/// The computation enqueued from now on may write to the slot.
void ActivationStore::Impl::let_settle(Slot& s) {
  if (s.enqueued.valid()) s.enqueued.wait();
  queue.wait_for(s.uploaded);
  queue.wait_for(s.downloaded);
}

TensorView ActivationStore::Impl::open(std::uint32_t sample) {
  check_sample(sample);
  current = kNone;
  if (place.placement == Placement::device) return create(sample);
  if (place.placement == Placement::file && !newest)
    throw InvalidArgument("[activations] sample " + std::to_string(sample) + " was never committed");
  const std::size_t next = (slot + 1) % kDeviceSlots;
  Slot& s = slots[next];
  if (!s.loaded_ahead || s.sample != sample) load_into(s, sample);
  s.loaded_ahead = false;
  if (s.enqueued.valid()) {
    wait_for_disk(s.enqueued, "wait for activations");
    s.enqueued.get();
  }
  queue.wait_for(s.uploaded);
  slot = next;
  current = sample;
  const bool ascending = sample == 0 || std::int64_t{sample} == last_opened + 1;
  last_opened = sample;
  if (ascending && sample + 1 < layout.num_samples) {
    Slot& ahead = slots[(slot + 1) % kDeviceSlots];
    load_into(ahead, sample + 1);
    ahead.loaded_ahead = true;
  }
  return s.tensor;
}

TensorView ActivationStore::Impl::create(std::uint32_t sample) {
  check_sample(sample);
  current = sample;
  if (place.placement == Placement::device) {
    queue.wait_for(saved_from[sample]);
    return samples[sample];
  }
  // A pass opens a sample and creates it anew: what open() loads ahead stays, and the new contents take the
  // place of the old ones, which nobody needs once this call is made. Without anything ahead the slots take
  // turns, so that the computation need not wait for the last download.
  const std::size_t next = (slot + 1) % kDeviceSlots;
  if (!slots[next].loaded_ahead) slot = next;
  Slot& s = slots[slot];
  let_settle(s);
  s.sample = sample;
  s.loaded_ahead = false;
  return s.tensor;
}

ActivationStore::Impl::Staging& ActivationStore::Impl::next_staging() {
  Staging& s = staging[staging_index++ % kStagingSlots];
  if (s.written.valid()) wait_for_disk(s.written, "wait for writing");
  return s;
}

std::shared_future<void> ActivationStore::Impl::write_later(std::shared_ptr<ActivationGeneration> to,
                                                            std::uint32_t sample, const Event& ready,
                                                            const PinnedBuffer& from) {
  return writer->submit([this, to = std::move(to), sample, ready, bytes = from.bytes()] {
    ready.wait();
    const Trace::Scope scope(place.trace, Trace::Lane::disk_write, "activations");
    to->write(sample, bytes);
  });
}

void ActivationStore::Impl::commit(std::uint32_t sample) {
  check_sample(sample);
  if (current != sample)
    throw InvalidArgument("[activations] commit of sample " + std::to_string(sample) +
                          ", which is not the one that is open");
  if (in_pass && sample != next_commit)
    throw InvalidArgument("[activations] expected a pass to commit sample " + std::to_string(next_commit) +
                          ", found " + std::to_string(sample));
  if (ended) std::exchange(ended, nullptr)->rethrow();
  if (written_to) written_to->rethrow();
  switch (place.placement) {
    case Placement::device: commit_on_device(sample); break;
    case Placement::host: commit_to_host(sample); break;
    case Placement::file: commit_to_file(sample);
  }
  // What was loaded ahead of this sample is no longer what it is.
  Slot& other = slots[(slot + 1) % kDeviceSlots];
  if (other.sample == sample) other.loaded_ahead = false;
  if (in_pass) ++next_commit;
}

void ActivationStore::Impl::commit_on_device(std::uint32_t sample) {
  if (!written_to) return;
  Staging& s = next_staging();
  const Event computed = queue.mark();
  saved_from[sample] = downloads->read(samples[sample], s.memory.data(), {&computed, 1});
  s.written = write_later(written_to, sample, saved_from[sample], s.memory);
}

void ActivationStore::Impl::commit_to_host(std::uint32_t sample) {
  if (saving[sample].valid()) wait_for_disk(saving[sample], "wait for writing");
  const Event computed = queue.mark();
  arrived[sample] = slots[slot].downloaded =
      downloads->read(slots[slot].tensor, host[sample].data(), {&computed, 1});
  if (written_to) saving[sample] = write_later(written_to, sample, arrived[sample], host[sample]);
}

void ActivationStore::Impl::commit_to_file(std::uint32_t sample) {
  if (!in_pass) {
    if (!newest)
      newest = std::make_shared<ActivationGeneration>(ActivationFile::scratch(place.scratch_folder, layout),
                                                      layout, false);
    if (newest->is_saved())
      throw InvalidArgument("[activations] " + newest->file().path().string() +
                            " is saved; it can only be replaced by a pass");
    newest->rethrow();
  }
  Staging& s = next_staging();
  const Event computed = queue.mark();
  slots[slot].downloaded = downloads->read(slots[slot].tensor, s.memory.data(), {&computed, 1});
  s.written = write_later(in_pass ? written_to : newest, sample, slots[slot].downloaded, s.memory);
  (in_pass ? in_written : in_newest)[sample] = s.written;
}

void ActivationStore::Impl::begin_pass(const std::filesystem::path& save_to) {
  if (in_pass) throw InvalidArgument("[activations] a pass began inside a pass");
  if (!save_to.empty() && !place.saves)
    throw InvalidArgument("[activations] expected a store that saves (ActivationPlace::saves)");
  if (!save_to.empty())
    written_to =
        std::make_shared<ActivationGeneration>(ActivationFile::create(save_to, layout), layout, true);
  else if (place.placement == Placement::file)
    written_to = std::make_shared<ActivationGeneration>(ActivationFile::scratch(place.scratch_folder, layout),
                                                        layout, false);
  in_pass = true;
  next_commit = 0;
}

SavedStream ActivationStore::Impl::end_pass() {
  if (!in_pass || next_commit != layout.num_samples)
    throw InvalidArgument("[activations] expected a pass to commit all " +
                          std::to_string(layout.num_samples) + " samples, found " +
                          std::to_string(in_pass ? next_commit : 0));
  in_pass = false;
  for (Slot& s : slots) s.loaded_ahead = false;
  const auto done = std::exchange(written_to, nullptr);
  if (place.placement == Placement::file) {
    newest = done;
    in_newest.swap(in_written);
  }
  if (!done || !done->is_saved()) return {};
  ended = done;
  writer->submit([done] { done->finish(); });
  return done->saved();
}

/// All samples from a file, whose checksum is known to be right, into memory.
void ActivationStore::Impl::read_memory(const ActivationFile& file) {
  const Trace::Scope scope(place.trace, Trace::Lane::disk_read, "saved activations");
  const std::uint64_t row_bytes = layout.features * sizeof(float),
                      rows = std::max<std::uint64_t>(1, kReadSlotBytes / row_bytes);
  std::vector<std::byte> part(place.placement == Placement::device ? std::min(rows, layout.tokens) * row_bytes
                                                                   : 0);
  for (std::uint32_t i = 0; i < layout.num_samples; ++i) {
    if (place.placement == Placement::host) file.read(i, 0, host[i].bytes());
    if (place.placement != Placement::device) continue;
    for (std::uint64_t row = 0; row < layout.tokens; row += rows) {
      const TensorView to = samples[i].view().rows(row, std::min(rows, layout.tokens - row));
      file.read(i, row * row_bytes, std::span(part).first(to.bytes()));
      queue.write(to, part.data());
    }
  }
}

ActivationStore::ActivationStore(Queue& queue, const ActivationLayout& layout, const ActivationPlace& place,
                                 std::string_view what)
    : impl_(std::make_unique<Impl>(queue, layout, place, what)) {}

ActivationStore ActivationStore::load(Queue& queue, const ActivationLayout& layout,
                                      const ActivationPlace& place, std::string_view what,
                                      const std::filesystem::path& path, const std::string& sha256) {
  ActivationFile file = ActivationFile::open(path, layout, sha256);
  ActivationStore store(queue, layout, place, what);
  if (place.placement == Placement::file)
    store.impl_->newest = std::make_shared<ActivationGeneration>(std::move(file));
  else store.impl_->read_memory(file);
  return store;
}

ActivationStore::ActivationStore() = default;
ActivationStore::~ActivationStore() = default;
ActivationStore::ActivationStore(ActivationStore&&) noexcept = default;
ActivationStore& ActivationStore::operator=(ActivationStore&&) noexcept = default;

TensorView ActivationStore::open(std::uint32_t sample) { return impl_->open(sample); }
TensorView ActivationStore::create(std::uint32_t sample) { return impl_->create(sample); }
void ActivationStore::commit(std::uint32_t sample) { impl_->commit(sample); }
void ActivationStore::begin_pass(const std::filesystem::path& save_to) { impl_->begin_pass(save_to); }
SavedStream ActivationStore::end_pass() { return impl_->end_pass(); }
bool ActivationStore::on_device() const { return impl_->place.placement == Placement::device; }
double ActivationStore::wait_seconds() const { return impl_ ? impl_->wait_seconds : 0; }

std::uint64_t ActivationStore::device_bytes(const ActivationLayout& layout, Placement placement) {
  return (placement == Placement::device ? layout.num_samples : kDeviceSlots) * layout.sample_bytes();
}

std::uint64_t ActivationStore::host_bytes(const ActivationLayout& layout, Placement placement, bool saves) {
  const std::uint64_t samples = placement == Placement::host      ? layout.num_samples
                                : needs_staging(placement, saves) ? kStagingSlots
                                                                  : 0;
  return samples * layout.sample_bytes() +
         (placement == Placement::file ? UploadRing::host_bytes(kReadSlots, kReadSlotBytes) : 0);
}

}  // namespace apiq::calib
