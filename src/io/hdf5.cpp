// Handles, errors, files, groups and links. Facts: HDF5 1.10 reference manual.
#include "io/hdf5.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "apiq/error.hpp"
#include "io/hdf5_file_driver.hpp"

namespace apiq::hdf5 {

static_assert(std::endian::native == std::endian::little,
              "memory types are taken to be the little-endian file types");

bool Handle::close() noexcept {
  if (id_ < 0) return true;
  silence();
  return closer_(std::exchange(id_, -1)) >= 0;
}

void silence() {
  thread_local bool done = false;
  if (!done) H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  done = true;
}

std::string last_error() {
  char text[400] = "";
  const H5E_walk2_t keep_innermost = [](unsigned depth, const H5E_error2_t* entry, void* out) -> herr_t {
    if (depth == 0 && entry->desc != nullptr)
      std::snprintf(static_cast<char*>(out), sizeof text, "%s", entry->desc);
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, text);
  H5Eclear2(H5E_DEFAULT);

  std::string reason = text;
  // "..., errno = 28, error message = 'No space left on device', ..." : the quoted part is what a person
  // needs.
  static constexpr char kSystem[] = "error message = '";
  if (const auto start = reason.find(kSystem); start != std::string::npos) {
    reason.erase(0, start + sizeof kSystem - 1);
    reason.erase(std::min(reason.find('\''), reason.size()));
  }
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  return reason.empty() ? "HDF5 gave no reason" : reason;
}

std::size_t size_of(Element element) {
  switch (element) {
    case Element::u8: return 1;
    case Element::u16:
    case Element::f16: return 2;
    case Element::u32:
    case Element::f32: return 4;
  }
  return 0;
}

const char* name_of(Element element) {
  static constexpr const char* kNames[] = {"u8", "u16", "u32", "f16", "f32"};
  return kNames[static_cast<int>(element)];
}

namespace {

hid_t predefined(Element element) {
  switch (element) {
    case Element::u8: return H5T_STD_U8LE;
    case Element::u16: return H5T_STD_U16LE;
    case Element::u32: return H5T_STD_U32LE;
    case Element::f16:
    case Element::f32: return H5T_IEEE_F32LE;
  }
  return -1;
}

// Files of one writer and one reader at a time need no locks, and some network file systems refuse them.
Handle access_list(const std::string& where) {
  Handle list(call<IoError>(where, "preparing to open", H5Pcreate, H5P_FILE_ACCESS), H5Pclose);
  call<IoError>(where, "preparing to open", H5Pset_libver_bounds, list.get(), H5F_LIBVER_V110,
                H5F_LIBVER_V110);
  call<IoError>(where, "preparing to open", H5Pset_file_locking, list.get(), hbool_t{0}, hbool_t{1});
  call<IoError>(where, "preparing to open", H5Pset_fclose_degree, list.get(), H5F_CLOSE_STRONG);
  // No chunk cache: whole datasets are moved, and a cached chunk would be written, and fail, only when its
  // dataset is closed.
  call<IoError>(where, "preparing to open", H5Pset_cache, list.get(), 0, std::size_t{0}, std::size_t{0}, 1.0);
  return list;
}

}  // namespace

Node child_of(const Node& parent, const std::string& name) {
  return {{}, parent.file, (parent.path == "/" ? "/" : parent.path + "/") + name};
}

Handle type_of(Element element) {
  Handle type(call<Error>("[hdf5]", "copying a type", H5Tcopy, predefined(element)), H5Tclose);
  if (element != Element::f16) return type;
  // binary16: sign at bit 15, exponent at 10 (5 bits, bias 15), mantissa at 0 (10 bits). Fields first, so
  // that they fit the new size.
  call<Error>("[hdf5]", "making binary16", H5Tset_fields, type.get(), std::size_t{15}, std::size_t{10},
              std::size_t{5}, std::size_t{0}, std::size_t{10});
  call<Error>("[hdf5]", "making binary16", H5Tset_size, type.get(), std::size_t{2});
  call<Error>("[hdf5]", "making binary16", H5Tset_ebias, type.get(), std::size_t{15});
  return type;
}

Node create_file(const std::filesystem::path& path, const std::string& shown_as) {
  Node file{{}, shown_as, "/"};
  const Handle access = access_list(file.file);
  call<IoError>(file.file, "preparing to create", use_discardable_driver, access.get());
  const Handle creation(call<IoError>(file.file, "preparing to create", H5Pcreate, H5P_FILE_CREATE),
                        H5Pclose);
  call<IoError>(file.file, "preparing to create", H5Pset_obj_track_times, creation.get(), hbool_t{0});
  file.handle = Handle(call<IoError>(file.file, "cannot be created", H5Fcreate, path.c_str(),
                                     unsigned{H5F_ACC_TRUNC}, creation.get(), access.get()),
                       H5Fclose);
  return file;
}

Node open_file(const std::filesystem::path& path) {
  Node file{{}, path.string(), "/"};
  std::FILE* probe = std::fopen(path.c_str(), "rb");
  if (probe == nullptr) throw IoError(file.file + ": cannot be opened: " + std::strerror(errno));
  std::fclose(probe);
  const Handle access = access_list(file.file);
  file.handle = Handle(call<FormatError>(file.file, "is not a readable HDF5 file", H5Fopen, path.c_str(),
                                         unsigned{H5F_ACC_RDONLY}, access.get()),
                       H5Fclose);
  return file;
}

Node create_group(const Node& parent, const std::string& name) {
  Node group = child_of(parent, name);
  const Handle creation(call<IoError>(group.where(), "preparing to create", H5Pcreate, H5P_GROUP_CREATE),
                        H5Pclose);
  call<IoError>(group.where(), "preparing to create", H5Pset_obj_track_times, creation.get(), hbool_t{0});
  group.handle = Handle(call<IoError>(group.where(), "cannot be created", H5Gcreate2, parent.id(),
                                      name.c_str(), hid_t{H5P_DEFAULT}, creation.get(), hid_t{H5P_DEFAULT}),
                        H5Gclose);
  return group;
}

bool has_child(const Node& parent, const std::string& name) {
  return call<FormatError>(parent.where(), "links cannot be read", H5Lexists, parent.id(), name.c_str(),
                           hid_t{H5P_DEFAULT}) > 0;
}

namespace {

// Opens the object behind a hard link. The link is looked at first, so that nothing outside this file is ever
// followed.
Node open_object(const Node& parent, const std::string& name, H5I_type_t type, const char* kind) {
  Node child = child_of(parent, name);
  if (!has_child(parent, name)) throw FormatError(child.where() + ": missing; expected a " + kind);
  H5L_info_t link{};
  call<FormatError>(child.where(), "link cannot be read", H5Lget_info, parent.id(), name.c_str(), &link,
                    hid_t{H5P_DEFAULT});
  if (link.type != H5L_TYPE_HARD)
    throw FormatError(child.where() + ": expected a " + kind + ", found a " +
                      (link.type == H5L_TYPE_EXTERNAL ? "link to another file" : "soft link"));
  child.handle = Handle(call<FormatError>(child.where(), "cannot be opened", H5Oopen, parent.id(),
                                          name.c_str(), hid_t{H5P_DEFAULT}),
                        H5Oclose);
  if (H5Iget_type(child.id()) != type)
    throw FormatError(child.where() + ": expected a " + kind + ", found another kind of object");
  return child;
}

}  // namespace

Node open_group(const Node& parent, const std::string& name) {
  return open_object(parent, name, H5I_GROUP, "group");
}
Node open_dataset_link(const Node& parent, const std::string& name) {
  return open_object(parent, name, H5I_DATASET, "dataset");
}

std::vector<std::string> children(const Node& group) {
  H5G_info_t info{};
  call<FormatError>(group.where(), "cannot be listed", H5Gget_info, group.id(), &info);
  std::vector<std::string> names;
  // Native order and a sort here: asking HDF5 for name order sorts the whole group once per name.
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    char name[1024];
    const auto length =
        call<FormatError>(group.where(), "cannot be listed", H5Lget_name_by_idx, group.id(), ".",
                          H5_INDEX_NAME, H5_ITER_NATIVE, i, &name[0], sizeof name, hid_t{H5P_DEFAULT});
    if (static_cast<std::size_t>(length) >= sizeof name)
      throw FormatError(group.where() + ": holds a name of " + std::to_string(length) + " bytes");
    names.emplace_back(name, static_cast<std::size_t>(length));
  }
  std::sort(names.begin(), names.end());
  return names;
}

void check_written(const Node& node) {
  const Handle file(call<IoError>(node.where(), "cannot be written", H5Iget_file_id, node.id()), H5Fclose);
  if (const int error = write_error(file.get()))
    throw IoError(node.where() + ": cannot be written: " + std::strerror(error));
}

void finish_file(Node& file) {
  call<IoError>(file.file, "cannot be written", H5Fflush, file.id(), H5F_SCOPE_GLOBAL);
  check_written(file);
  if (!file.handle.close()) throw IoError(file.file + ": cannot be closed: " + last_error());
  if (const int error = closed_file_error())
    throw IoError(file.file + ": cannot be closed: " + std::strerror(error));
}

void abandon_file(Node& file) noexcept {
  silence();
  discard_writes(file.id());
  file.handle.close();
}

}  // namespace apiq::hdf5
