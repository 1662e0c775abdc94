// Checkpoints that are valid HDF5 but not what the document says: each is edited with HDF5's own calls and
// must be refused with a text that names file and object.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "apiq/error.hpp"
#include "io/h5_edit.hpp"
#include "io/tiny_checkpoint.hpp"

namespace apiq {
namespace {

using namespace testing_support;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const std::string kLinear = "/linears/model.layers.0.self_attn.q_proj";  // 32x32, 2 bits, rank 0 or 4

using Edit = std::function<void(hid_t file)>;

class HostileCheckpoint : public testing::Test {
 protected:
  void SetUp() override { write_tiny(path, make_tiny()); }

  void edit(const Edit& change) {
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, access);
    ASSERT_GE(file, 0);
    change(file);
    ASSERT_GE(H5Fclose(file), 0);
    H5Pclose(access);
  }

  // Opens, verifies and returns the error's text, which must be one line that starts with the file's name.
  template <class E = FormatError>
  std::string refusal() {
    try {
      CheckpointReader::open(path).verify();
    } catch (const E& error) {
      EXPECT_THAT(error.what(), AllOf(StartsWith(path.string() + ": "), Not(HasSubstr("\n"))));
      return error.what();
    }
    return "accepted";
  }

  TemporaryFolder folder;
  std::filesystem::path path = folder / "m.h5";
};

void remove_link(hid_t file, const std::string& name) {
  ASSERT_GE(H5Ldelete(file, name.c_str(), H5P_DEFAULT), 0);
}

enum class Storage { checked, unchecked, external, absent_chunks };

void create_dataset(hid_t file, const std::string& name, hid_t type, const std::vector<hsize_t>& dims,
                    Storage storage = Storage::checked) {
  const hid_t space = H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr),
              list = H5Pcreate(H5P_DATASET_CREATE);
  hsize_t elements = 1;
  for (auto d : dims) elements *= d;
  if (storage == Storage::checked || storage == Storage::absent_chunks) {
    H5Pset_chunk(list, static_cast<int>(dims.size()), dims.data());
    H5Pset_fletcher32(list);
  }
  if (storage == Storage::external) H5Pset_external(list, "/etc/hostname", 0, H5F_UNLIMITED);
  const hid_t dataset = H5Dcreate2(file, name.c_str(), type, space, H5P_DEFAULT, list, H5P_DEFAULT);
  ASSERT_GE(dataset, 0);
  if (storage == Storage::checked || storage == Storage::unchecked) {
    const std::vector<unsigned char> zeros(elements * H5Tget_size(type));
    ASSERT_GE(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros.data()), 0);
  }
  H5Dclose(dataset);
  H5Pclose(list);
  H5Sclose(space);
}

// qweight of kLinear: 1 block, 1 chunk, 2 words, 32 rows.
void replace_qweight(hid_t file, hid_t type, const std::vector<hsize_t>& dims,
                     Storage storage = Storage::checked) {
  remove_link(file, kLinear + "/qweight");
  create_dataset(file, kLinear + "/qweight", type, dims, storage);
}

TEST_F(HostileCheckpoint, TheUneditedFileIsAccepted) {
  edit([](hid_t) {});
  EXPECT_EQ(refusal(), "accepted");
}

TEST_F(HostileCheckpoint,
       ReplacedByTheRightDatasetIsAccepted) {  // so that the refusals below are for the reason they name
  edit([](hid_t file) { replace_qweight(file, H5T_STD_U32LE, {1, 1, 2, 32}); });
  EXPECT_EQ(refusal(), "accepted");
}

TEST_F(HostileCheckpoint, MissingDatasetsAndGroups) {
  edit([](hid_t file) { remove_link(file, kLinear + "/scales"); });
  EXPECT_THAT(refusal(), HasSubstr(kLinear + "/scales: missing; expected a dataset"));
  edit([](hid_t file) { remove_link(file, kLinear); });
  EXPECT_THAT(
      refusal(),
      HasSubstr(kLinear + ": missing; expected a group, or /tensors/model.layers.0.self_attn.q_proj.weight"));
}

TEST_F(HostileCheckpoint, LinearsThatAreQuantizedAndNot) {
  const std::string weight = "/tensors/model.layers.0.self_attn.q_proj.weight";
  edit([&](hid_t file) { create_dataset(file, weight, H5T_IEEE_F32LE, {32, 32}); });
  EXPECT_THAT(refusal(), HasSubstr(kLinear + ": quantized, but " + weight + " is there as well"));
  edit([](hid_t file) { remove_link(file, kLinear); });
  EXPECT_EQ(refusal(), "accepted");
  edit([&](hid_t file) {
    remove_link(file, weight);
    create_dataset(file, weight, H5T_IEEE_F32LE, {32, 31});
  });
  EXPECT_THAT(refusal(), HasSubstr(weight + ": expected f32 [32, 32], found f32 [32, 31]"));
}

TEST_F(HostileCheckpoint, MissingTensorOrConfig) {
  edit([](hid_t file) { remove_link(file, "/tensors/model.norm.weight"); });
  EXPECT_THAT(refusal(), HasSubstr("/tensors/model.norm.weight: missing"));
  edit([](hid_t file) { remove_link(file, "/files/config.json"); });
  EXPECT_THAT(refusal(), HasSubstr("/files/config.json: missing"));
}

TEST_F(HostileCheckpoint, WhatTheConfigurationDoesNotExplain) {
  edit([](hid_t file) { create_dataset(file, "/tensors/model.extra.weight", H5T_STD_U8LE, {4}); });
  EXPECT_THAT(refusal(), HasSubstr("/tensors/model.extra.weight: not part of the model"));
  edit([](hid_t file) {
    H5Gclose(H5Gcreate2(file, "/linears/model.layers.1.mlp.up_proj", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  });
  EXPECT_THAT(refusal(), HasSubstr("/linears/model.layers.1.mlp.up_proj: not part of the model"));
}

TEST_F(HostileCheckpoint, SoftLink) {
  edit([](hid_t file) {
    remove_link(file, kLinear + "/qweight");
    H5Lcreate_soft("/linears/model.layers.0.self_attn.o_proj/qweight", file, (kLinear + "/qweight").c_str(),
                   H5P_DEFAULT, H5P_DEFAULT);
  });
  EXPECT_THAT(refusal(), HasSubstr(kLinear + "/qweight: expected a dataset, found a soft link"));
}

TEST_F(HostileCheckpoint, ExternalLinks) {
  std::filesystem::copy_file(path, folder / "other.h5");  // a target that exists and would fit
  edit([](hid_t file) {
    remove_link(file, kLinear + "/qweight");
    H5Lcreate_external("other.h5", (kLinear + "/qweight").c_str(), file, (kLinear + "/qweight").c_str(),
                       H5P_DEFAULT, H5P_DEFAULT);
  });
  EXPECT_THAT(refusal(), HasSubstr(kLinear + "/qweight: expected a dataset, found a link to another file"));
  edit([](hid_t file) {
    remove_link(file, "/tensors");
    H5Lcreate_external("other.h5", "/tensors", file, "/tensors", H5P_DEFAULT, H5P_DEFAULT);
  });
  EXPECT_THAT(refusal(), HasSubstr("/tensors: expected a group, found a link to another file"));
}

TEST_F(HostileCheckpoint, StorageOutsideTheFile) {
  edit([](hid_t file) { replace_qweight(file, H5T_STD_U32LE, {1, 1, 2, 32}, Storage::external); });
  EXPECT_THAT(refusal(), HasSubstr(kLinear + "/qweight: is stored in another file"));
  edit([](hid_t file) {
    remove_link(file, kLinear + "/qweight");
    const hsize_t dims[] = {1, 1, 2, 32};
    const hid_t space = H5Screate_simple(4, dims, nullptr), list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_virtual(list, space, "other.h5", "/x", space);
    H5Dclose(H5Dcreate2(file, (kLinear + "/qweight").c_str(), H5T_STD_U32LE, space, H5P_DEFAULT, list,
                        H5P_DEFAULT));
    H5Pclose(list);
    H5Sclose(space);
  });
  EXPECT_THAT(refusal(), HasSubstr(kLinear + "/qweight: is a virtual dataset"));
}

TEST_F(HostileCheckpoint, StorageWithoutChecksumsOrWithHoles) {
  edit([](hid_t file) { replace_qweight(file, H5T_STD_U32LE, {1, 1, 2, 32}, Storage::unchecked); });
  EXPECT_THAT(refusal(),
              HasSubstr(kLinear + "/qweight: expected chunked storage with the Fletcher32 filter"));
  edit([](hid_t file) { replace_qweight(file, H5T_STD_U32LE, {1, 1, 2, 32}, Storage::absent_chunks); });
  EXPECT_THAT(refusal(), HasSubstr(kLinear + "/qweight: incomplete: 0 bytes stored, expected 260"));
}

TEST_F(HostileCheckpoint, WrongClassRankOrSize) {
  edit([](hid_t file) { replace_qweight(file, H5T_STD_I32LE, {1, 1, 2, 32}); });
  EXPECT_THAT(refusal(), HasSubstr("/qweight: element type is not one of"));
  edit([](hid_t file) { replace_qweight(file, H5T_IEEE_F32LE, {1, 1, 2, 32}); });
  EXPECT_THAT(refusal(), HasSubstr("/qweight: expected u32 [1, 1, 2, 32], found f32 [1, 1, 2, 32]"));
  edit([](hid_t file) { replace_qweight(file, H5T_STD_U32LE, {2, 32}); });
  EXPECT_THAT(refusal(), HasSubstr("/qweight: expected u32 [1, 1, 2, 32], found u32 [2, 32]"));
  edit([](hid_t file) { replace_qweight(file, H5T_STD_U32LE, {1, 1, 3, 32}); });
  EXPECT_THAT(refusal(), HasSubstr("/qweight: expected u32 [1, 1, 2, 32], found u32 [1, 1, 3, 32]"));
  edit([](hid_t file) {
    remove_link(file, kLinear + "/qweight");
    H5Gclose(H5Gcreate2(file, (kLinear + "/qweight").c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  });
  EXPECT_THAT(refusal(), HasSubstr("/qweight: expected a dataset, found another kind of object"));
}

TEST_F(HostileCheckpoint, Tensors) {
  edit([](hid_t file) {
    remove_link(file, "/tensors/model.norm.weight");
    create_dataset(file, "/tensors/model.norm.weight", H5T_STD_U16LE, {32});
  });
  EXPECT_THAT(refusal(), HasSubstr("/tensors/model.norm.weight: expected f32, f16, or u16 with the attribute "
                                   "dtype='bf16'; found u16"));
  edit([](hid_t file) {
    remove_link(file, "/tensors/model.norm.weight");
    create_dataset(file, "/tensors/model.norm.weight", H5T_IEEE_F32LE, {31});
  });
  EXPECT_THAT(refusal(), HasSubstr("/tensors/model.norm.weight: expected f32 [32], found f32 [31]"));
}

TEST_F(HostileCheckpoint, Attributes) {
  const auto number = [&](const char* name, std::uint32_t value, const std::string& expected) {
    SCOPED_TRACE(name);
    write_tiny(path, make_tiny());
    edit([&](hid_t file) { replace_number(file, kLinear, name, value); });
    EXPECT_THAT(refusal(), HasSubstr(kLinear + expected));
  };
  number("in_features", 64, ": attribute 'in_features': expected 32 as config.json says, found 64");
  number("out_features", 0xffffffff,
         ": attribute 'out_features': expected 32 as config.json says, found 4294967295");
  number("bits", 5, ": [packed] model.layers.0.self_attn.q_proj: bits 5 is not one of");
  number("group_size", 0, ": [packed] model.layers.0.self_attn.q_proj: group_size 0 does not divide");
  number("symmetric", 2, ": attribute 'symmetric': expected 0 or 1, found 2");
  number("rank", 0xffffffff, "/lora_A: ");
  number("layout", 1, ": attribute 'layout': expected a fixed-length string");
  write_tiny(path, make_tiny());
  edit([](hid_t file) { replace_number(file, kLinear, "bits", 2, H5T_STD_I64LE); });
  EXPECT_THAT(refusal(), HasSubstr("attribute 'bits': expected a number of type u32"));
  edit([](hid_t file) { H5Adelete_by_name(file, kLinear.c_str(), "bits", H5P_DEFAULT); });
  EXPECT_THAT(refusal(), HasSubstr("attribute 'bits': missing"));
}

TEST_F(HostileCheckpoint, OtherFormatsAndVersions) {
  edit([](hid_t file) { replace_number(file, "/", "format_version", 2); });
  EXPECT_THAT(refusal<Unsupported>(), HasSubstr("format_version 2; this program reads version 1"));
  edit([](hid_t file) { H5Adelete(file, "format"); });
  EXPECT_THAT(refusal(), HasSubstr("an HDF5 file, but not an apiq checkpoint"));
}

TEST_F(HostileCheckpoint, ValuesNoCorrectWriterProduces) {
  const auto set_half = [&](const std::string& dataset, std::size_t at, std::uint16_t value) {
    write_tiny(path, make_tiny());
    edit([&](hid_t file) {
      const hid_t node = H5Dopen2(file, dataset.c_str(), H5P_DEFAULT), type = H5Dget_type(node);
      std::vector<std::uint16_t> values(static_cast<std::size_t>(H5Dget_storage_size(node)) / 2);
      H5Dread(node, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
      values.at(at) = value;
      H5Dwrite(node, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
      H5Tclose(type);
      H5Dclose(node);
    });
  };
  set_half(kLinear + "/scales", 3, 0x7c00);
  EXPECT_THAT(refusal(), HasSubstr(kLinear + "/scales: element 3 is not a finite number"));
  // k_proj has 16 rows, so the second half of each row of 32 scales is padding.
  set_half("/linears/model.layers.0.self_attn.k_proj/scales", 20, 0x3c00);
  EXPECT_THAT(refusal(), HasSubstr("k_proj/scales: scales past out_features are not zero"));
}

}  // namespace
}  // namespace apiq
