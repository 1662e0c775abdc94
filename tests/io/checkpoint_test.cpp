// Writing and reading back; failures of the writer; damage to the bytes of a checkpoint.
#include "io/checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "apiq/error.hpp"
#include "io/hdf5.hpp"
#include "io/safetensors.hpp"
#include "io/tiny_checkpoint.hpp"
#include "support/full_disk.hpp"
#include "util/atomic_file.hpp"

namespace apiq {
namespace {

using namespace testing_support;
using testing::HasSubstr;
namespace fs = std::filesystem;

// Everything a reader returns, as one string: equal strings, equal content.
std::string content_of(const fs::path& path) {
  const CheckpointReader reader = CheckpointReader::open(path);
  reader.verify();
  std::string all = reader.meta().method + '|' + reader.meta().options_json + '|' +
                    reader.meta().provenance_json + '|' + reader.report_json();
  const auto append = [&](const auto& values) {
    all.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
    all += '|';
  };
  for (const auto& [name, bytes] : reader.meta().side_files) all += name + '|' + bytes + '|';
  for (const auto& entry : reader.linears()) {
    const QuantizedLinear linear = reader.read_linear(entry.name);
    const PackedLayout& l = linear.weight.layout;
    all += entry.name;
    for (auto n :
         {l.out_features, l.in_features, l.bits, l.group_size, linear.rank, std::uint32_t{linear.symmetric}})
      all += std::to_string(n) + '|';
    all += std::to_string(linear.alpha);
    for (const auto& plane : linear.weight.planes) append(plane);
    append(linear.lora_A);
    append(linear.lora_B);
  }
  for (const auto& info : reader.tensors()) {
    all += info.name + std::string(name_of(info.dtype)) + info.shape.text();
    append(reader.read_tensor(info.name));
  }
  return all;
}

std::string error_of(const fs::path& path) {
  try {
    content_of(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

bool is_empty(const TemporaryFolder& folder) { return fs::is_empty(folder.path); }

TEST(Checkpoint, ReadsBackWhatWasWritten) {
  const TemporaryFolder folder;
  const TinyCheckpoint tiny = make_tiny();
  write_tiny(folder / "m.h5", tiny);
  const CheckpointReader reader = CheckpointReader::open(folder / "m.h5");
  reader.verify();
  EXPECT_EQ(reader.path(), folder / "m.h5");
  EXPECT_EQ(reader.config().intermediate_size, 172u);
  EXPECT_EQ(reader.meta().method, tiny.meta.method);
  EXPECT_EQ(reader.meta().options_json, tiny.meta.options_json);
  EXPECT_EQ(reader.meta().provenance_json, tiny.meta.provenance_json);
  EXPECT_EQ(reader.meta().side_files, tiny.meta.side_files);
  EXPECT_EQ(reader.report_json(), tiny.report);

  ASSERT_EQ(reader.linears().size(), 7u);
  for (std::size_t i = 0; i < 7; ++i) {
    const LinearEntry& entry = reader.linears()[i];
    EXPECT_EQ(entry.name, part_name(0, reader.config().block.linears[i].name));
    const QuantizedLinear& written = tiny.linears.at(entry.name);
    const QuantizedLinear read = reader.read_linear(entry.name);
    EXPECT_EQ(entry.layout, written.weight.layout);
    std::size_t bytes = 0;
    for (const auto& plane : written.weight.planes) bytes += plane.size();
    EXPECT_EQ(entry.bytes, bytes);
    EXPECT_EQ(entry.adapter_bytes, 2 * (written.lora_A.size() + written.lora_B.size()));
    EXPECT_EQ(read.weight.layout, written.weight.layout);
    EXPECT_TRUE(read.weight == written.weight);
    EXPECT_EQ(read.symmetric, written.symmetric);
    EXPECT_EQ(read.rank, written.rank);
    EXPECT_EQ(read.alpha, written.alpha);
    EXPECT_EQ(read.lora_A, written.lora_A);
    EXPECT_EQ(read.lora_B, written.lora_B);
  }

  ASSERT_EQ(reader.tensors().size(), tiny.infos.size());
  for (std::size_t i = 0; i < tiny.infos.size(); ++i) {
    const auto& infos = reader.tensors();
    const auto info = std::find_if(infos.begin(), infos.end(),
                                   [&](const TensorInfo& t) { return t.name == tiny.infos[i].name; });
    ASSERT_NE(info, infos.end());
    EXPECT_EQ(info->dtype, tiny.infos[i].dtype);
    EXPECT_EQ(info->shape, tiny.infos[i].shape);
    EXPECT_EQ(reader.read_tensor(info->name), tiny.tensors[i]);
  }
  EXPECT_THROW(reader.read_linear("model.layers.1.mlp.up_proj"), FormatError);
  EXPECT_THROW(reader.read_tensor("model.nothing"), FormatError);
}

TEST(Checkpoint, LinearsLeftAsTheyAreAreTensors) {
  const TemporaryFolder folder;
  TinyCheckpoint tiny = make_tiny();
  leave_dense(tiny, "model.layers.0.self_attn.k_proj", DType::bf16);
  leave_dense(tiny, "model.layers.0.mlp.down_proj", DType::f16);
  write_tiny(folder / "m.h5", tiny);
  const CheckpointReader reader = CheckpointReader::open(folder / "m.h5");
  reader.verify();
  std::vector<std::string> names;
  for (const auto& entry : reader.linears())
    names.push_back(entry.name.substr(std::string("model.layers.0.").size()));
  EXPECT_THAT(names, testing::ElementsAre("self_attn.q_proj", "self_attn.v_proj", "self_attn.o_proj",
                                          "mlp.gate_proj", "mlp.up_proj"));
  EXPECT_EQ(reader.read_tensor("model.layers.0.mlp.down_proj.weight"), tiny.tensors.back());
  const auto& infos = reader.tensors();
  const auto k = std::find_if(infos.begin(), infos.end(), [](const TensorInfo& t) {
    return t.name == "model.layers.0.self_attn.k_proj.weight";
  });
  ASSERT_NE(k, infos.end());
  EXPECT_EQ(k->dtype, DType::bf16);
  EXPECT_EQ(k->shape, (Shape{16, 32}));
}

TEST(Checkpoint, AllLinearsMayBeLeftAsTheyAre) {
  const TemporaryFolder folder;
  TinyCheckpoint tiny = make_tiny();
  while (!tiny.linears.empty()) leave_dense(tiny, std::string(tiny.linears.begin()->first), DType::f32);
  write_tiny(folder / "m.h5", tiny);
  const CheckpointReader reader = CheckpointReader::open(folder / "m.h5");
  reader.verify();
  EXPECT_TRUE(reader.linears().empty());
}

TEST(Checkpoint, TextsTooLongForAttributesBecomeDatasets) {
  const TemporaryFolder folder;
  TinyCheckpoint tiny = make_tiny();
  tiny.meta.provenance_json = "{\"hashes\":\"" + std::string(200000, 'a') + "\"}";
  write_tiny(folder / "m.h5", tiny);
  EXPECT_EQ(CheckpointReader::open(folder / "m.h5").meta().provenance_json, tiny.meta.provenance_json);
}

TEST(Checkpoint, LargeTensorsAreReadBackAcrossChunks) {
  const TemporaryFolder folder;
  std::mt19937 random(3);
  TinyCheckpoint tiny = make_tiny();
  // 4 MiB of one 1-D side file: several chunks, a ragged last one.
  std::string bytes((4 << 20) + 12345, '\0');
  for (auto& c : bytes) c = static_cast<char>(random());
  tiny.meta.side_files["tokenizer.model"] = bytes;
  write_tiny(folder / "m.h5", tiny);
  EXPECT_TRUE(CheckpointReader::open(folder / "m.h5").meta().side_files.at("tokenizer.model") == bytes);
}

TEST(Checkpoint, SameContentGivesSameBytesAtAnotherTime) {
  const TemporaryFolder folder;
  write_tiny(folder / "a.h5", make_tiny());
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // HDF5's time stamps count seconds
  write_tiny(folder / "b.h5", make_tiny());
  EXPECT_TRUE(read_file(folder / "a.h5") == read_file(folder / "b.h5"));
  write_tiny(folder / "c.h5", make_tiny(8));
  EXPECT_FALSE(read_file(folder / "a.h5") == read_file(folder / "c.h5"));
}

TEST(CheckpointWriter, AppearsOnlyWhenFinished) {
  const TemporaryFolder folder;
  const TinyCheckpoint tiny = make_tiny();
  {
    CheckpointWriter writer(folder / "m.h5", tiny.meta);
    add_all(writer, tiny);
    EXPECT_FALSE(fs::exists(folder / "m.h5"));
    CheckpointWriter moved = std::move(writer);
    moved.finish();
    EXPECT_TRUE(fs::exists(folder / "m.h5"));
    EXPECT_THROW(moved.finish(), InvalidArgument);
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path), {}), 1);
}

TEST(CheckpointWriter, TensorsOfASourceAreCopiedInPieces) {
  const TemporaryFolder folder;
  // Several pieces, the last one ragged: 9 MiB of rows of 6 KiB, a row larger than a piece, a vector.
  const TinyCheckpoint tiny = make_tiny();
  std::string data;
  for (std::size_t i = 0; i < (std::size_t{19} << 20); ++i) data += static_cast<char>(i * 2654435761u >> 13);
  const std::uint64_t first = 1537 * 6144, second = 5000 * 2000, end = data.size();
  const auto offsets = [](std::uint64_t a, std::uint64_t b) {
    return "\"data_offsets\":[" + std::to_string(a) + "," + std::to_string(b) + "]}";
  };
  const std::string header = R"({"rows":{"dtype":"F16","shape":[1537,3072],)" + offsets(0, first) +
                             R"(,"long":{"dtype":"F32","shape":[2,1250000],)" +
                             offsets(first, first + second) + R"(,"vector":{"dtype":"BF16","shape":[)" +
                             std::to_string((end - first - second) / 2) + "]," +
                             offsets(first + second, end) + "}";
  std::string file(8, '\0');
  for (int i = 0; i < 8; ++i) file[static_cast<std::size_t>(i)] = static_cast<char>(header.size() >> (8 * i));
  write_file_atomically(folder / "m.safetensors", file + header + data);
  const SafetensorsFile source(folder / "m.safetensors");
  CheckpointWriter writer(folder / "m.h5", tiny.meta);
  for (const TensorInfo& info : source.tensors()) writer.add_tensor(info, source);
  EXPECT_THROW(writer.add_tensor(source.tensors()[0], source), InvalidArgument) << "added twice";
  writer.finish();
  const hdf5::Node stored = hdf5::open_file(folder / "m.h5"), tensors = hdf5::open_group(stored, "tensors");
  for (const TensorInfo& info : source.tensors()) {
    hdf5::DatasetInfo found;
    const hdf5::Node dataset = hdf5::open_dataset(tensors, info.name, found);
    EXPECT_EQ(found.dims.size(), static_cast<std::size_t>(info.shape.rank()));
    const auto expected = source.bytes(info.name);
    std::vector<std::byte> bytes(expected.size());
    hdf5::read_all(dataset, found.element, bytes);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), expected.begin(), expected.end())) << info.name;
  }
}

TEST(CheckpointWriter, LeavesNothingWhenAbandoned) {
  const TemporaryFolder folder;
  { CheckpointWriter writer(folder / "m.h5", make_tiny().meta); }
  EXPECT_TRUE(is_empty(folder));
  write_file_atomically(folder / "m.h5", "an older checkpoint");
  { CheckpointWriter writer(folder / "m.h5", make_tiny().meta); }
  EXPECT_EQ(read_file(folder / "m.h5"), "an older checkpoint");
}

TEST(CheckpointWriter, RefusesWhatItCannotStore) {
  const TemporaryFolder folder;
  TinyCheckpoint tiny = make_tiny();
  CheckpointWriter writer(folder / "m.h5", tiny.meta);
  QuantizedLinear linear = tiny.linears.begin()->second;
  writer.add_linear("a", linear);
  EXPECT_THROW(writer.add_linear("a", linear), InvalidArgument);
  EXPECT_THROW(writer.add_linear("a/b", linear), InvalidArgument);
  linear.weight.planes[1].pop_back();
  EXPECT_THROW(writer.add_linear("b", linear), ShapeError);
  EXPECT_THROW(writer.add_tensor({"t", DType::f32, {2, 3}}, std::vector<std::byte>(20)), ShapeError);
  EXPECT_THROW(writer.add_tensor({"t", DType::i64, {1}}, std::vector<std::byte>(8)), InvalidArgument);
  EXPECT_THROW(CheckpointWriter(folder.path, tiny.meta), IoError);
  EXPECT_THROW(CheckpointWriter(folder.path / "absent" / "m.h5", tiny.meta), IoError);
  tiny.meta.side_files["../x"] = "";
  EXPECT_THROW(CheckpointWriter(folder / "n.h5", tiny.meta), InvalidArgument);
}

TEST(CheckpointWriter, FullDiskIsAnIoErrorAndLeavesNothing) {
  const TemporaryFolder folder;
  write_tiny(folder / "whole.h5", make_tiny());
  const auto size = fs::file_size(folder / "whole.h5");
  fs::remove(folder / "whole.h5");
  for (rlim_t limit : {size / 50, size / 4, size / 2, size - 1000, size - 1}) {
    EXPECT_EQ(
        test::status_on_full_disk(folder / "m.h5", limit, [&] { write_tiny(folder / "m.h5", make_tiny()); }),
        0)
        << limit << " of " << size;
    EXPECT_TRUE(is_empty(folder)) << limit;
    for (const auto& left : fs::directory_iterator(folder.path)) fs::remove(left);
  }
}

TEST(CheckpointDamage, AnyFlippedByteIsFoundOrHarmless) {
  const TemporaryFolder folder;
  write_tiny(folder / "m.h5", make_tiny());
  const std::string good = read_file(folder / "m.h5"), content = content_of(folder / "m.h5");
  int found = 0, tried = 0;
  // 127 is prime to every structure size, so that all kinds of fields are hit.
  for (std::size_t at = 0; at < good.size(); at += at < 128 ? 1 : 127, ++tried) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    std::ofstream(folder / "bad.h5", std::ios::binary) << bad;
    try {
      ASSERT_TRUE(content_of(folder / "bad.h5") == content)
          << "byte " << at << " changed the content unnoticed";
    } catch (const FormatError& error) {
      ++found;
      EXPECT_THAT(error.what(), HasSubstr("bad.h5")) << at;
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
  EXPECT_GT(found, tried / 2);  // the rest is space that HDF5 reserves and does not use
}

TEST(CheckpointDamage, NamesTheDatasetWhoseChecksumFails) {
  const TemporaryFolder folder;
  const fs::path path = folder / "m.h5";
  write_tiny(path, make_tiny());
  const std::string name = "/linears/model.layers.0.mlp.down_proj/qweight";
  haddr_t address = 0;
  {
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
    const hid_t dataset = H5Dopen2(file, name.c_str(), H5P_DEFAULT);
    const hid_t space = H5Dget_space(dataset);
    unsigned mask = 0;
    hsize_t size = 0;
    hsize_t offset[4];
    ASSERT_GE(H5Dget_chunk_info(dataset, space, 0, offset, &mask, &address, &size), 0);
    H5Sclose(space);
    H5Dclose(dataset);
    H5Fclose(file);
  }
  std::string bytes = read_file(path);
  bytes[address + 10] = static_cast<char>(bytes[address + 10] ^ 4);
  write_file_atomically(path, bytes);
  EXPECT_EQ(error_of(path),
            path.string() + ": " + name + ": cannot be read: data error detected by Fletcher32 checksum");
}

TEST(CheckpointDamage, CutFilesAndOtherFilesAreFormatErrors) {
  const TemporaryFolder folder;
  write_tiny(folder / "m.h5", make_tiny());
  const std::string good = read_file(folder / "m.h5");
  for (std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{47}, good.size() / 3,
                           good.size() / 2, good.size() - 1}) {
    std::ofstream(folder / "cut.h5", std::ios::binary) << good.substr(0, size);
    EXPECT_THROW(CheckpointReader::open(folder / "cut.h5"), FormatError) << size;
  }
  EXPECT_THAT(error_of(folder / "cut.h5"), HasSubstr("truncated file"));
  std::ofstream(folder / "text.h5") << "{\"not\": \"HDF5\"}";
  EXPECT_THAT(error_of(folder / "text.h5"), HasSubstr("text.h5: not an HDF5 file"));
  EXPECT_FALSE(is_checkpoint_file(folder / "text.h5"));
  EXPECT_TRUE(is_checkpoint_file(folder / "m.h5"));
  EXPECT_THROW(CheckpointReader::open(folder / "absent.h5"), IoError);
}

}  // namespace
}  // namespace apiq
