// Datasets: chunked and checksummed when written, distrusted when read.
#include <algorithm>
#include <array>

#include "apiq/error.hpp"
#include "io/hdf5.hpp"

namespace apiq::hdf5 {
namespace {

std::uint64_t product(const Dims& dims) {
  std::uint64_t n = 1;
  for (auto d : dims)
    if (__builtin_mul_overflow(n, d, &n))
      throw FormatError("[hdf5] sizes " + std::to_string(dims[0]) + "... overflow 64 bits");
  return n;
}

std::string dims_text(const Dims& dims) {
  std::string text = "[";
  for (std::size_t i = 0; i < dims.size(); ++i) text += (i ? ", " : "") + std::to_string(dims[i]);
  return text + "]";
}

Handle creation_list(const std::string& where, Element element, const Dims& dims) {
  Handle list(call<IoError>(where, "preparing to create", H5Pcreate, H5P_DATASET_CREATE), H5Pclose);
  call<IoError>(where, "preparing to create", H5Pset_obj_track_times, list.get(), hbool_t{0});
  if (product(dims) == 0) return list;  // HDF5 has no empty chunks
  const Dims chunk = chunk_dims(dims, size_of(element));
  const std::vector<hsize_t> sizes(chunk.begin(), chunk.end());
  call<IoError>(where, "preparing to create", H5Pset_chunk, list.get(), static_cast<int>(sizes.size()),
                sizes.data());
  call<IoError>(where, "preparing to create", H5Pset_fletcher32, list.get());
  return list;
}

// Storage that reaches outside the file is refused before even the size is asked for: a virtual dataset's may
// need its sources.
Handle storage_inside_file(const Node& dataset) {
  const std::string where = dataset.where();
  Handle list(call<FormatError>(where, "cannot be read", H5Dget_create_plist, dataset.id()), H5Pclose);
  if (H5Pget_layout(list.get()) == H5D_VIRTUAL)
    throw FormatError(where + ": is a virtual dataset; expected one stored in this file");
  if (H5Pget_external_count(list.get()) != 0)
    throw FormatError(where + ": is stored in another file; expected one stored in this file");
  return list;
}

void check_chunks(const Node& dataset, const Handle& list, const DatasetInfo& info) {
  const std::string where = dataset.where();
  const H5D_layout_t layout = H5Pget_layout(list.get());
  const int filters = call<FormatError>(where, "cannot be read", H5Pget_nfilters, list.get());
  if (product(info.dims) == 0 && filters == 0) return;

  std::array<unsigned, 1> values{};
  std::size_t count = values.size();
  unsigned flags = 0, config = 0;
  if (layout != H5D_CHUNKED || filters != 1 ||
      H5Pget_filter2(list.get(), 0, &flags, &count, values.data(), 0, nullptr, &config) !=
          H5Z_FILTER_FLETCHER32)
    throw FormatError(where + ": expected chunked storage with the Fletcher32 filter and no other");
  std::vector<hsize_t> chunk(info.dims.size());
  call<FormatError>(where, "cannot be read", H5Pget_chunk, list.get(), static_cast<int>(chunk.size()),
                    chunk.data());
  const std::uint64_t chunk_bytes = product(Dims(chunk.begin(), chunk.end())) * size_of(info.element);
  if (chunk_bytes == 0 || chunk_bytes > kMaxChunkBytes)
    throw FormatError(where + ": chunks of " + std::to_string(chunk_bytes) +
                      " bytes; expected at most 1 MiB");
  std::uint64_t chunks = 1;
  for (std::size_t i = 0; i < chunk.size(); ++i)
    chunks *= info.dims[i] / chunk[i] + (info.dims[i] % chunk[i] != 0);
  // An absent chunk would read as zeros without a word. Four bytes of checksum follow every stored chunk.
  const std::uint64_t stored = H5Dget_storage_size(dataset.id()), expected = chunks * (chunk_bytes + 4);
  if (stored != expected)
    throw FormatError(where + ": incomplete: " + std::to_string(stored) + " bytes stored, expected " +
                      std::to_string(expected));
  if (stored > std::filesystem::file_size(dataset.file))
    throw FormatError(where + ": claims more bytes than the file has");
}

bool find_element(hid_t type, Element& element) {
  for (Element e : {Element::u8, Element::u16, Element::u32, Element::f16, Element::f32})
    if (H5Tequal(type, type_of(e).get()) > 0) {
      element = e;
      return true;
    }
  return false;
}

}  // namespace

Dims chunk_dims(const Dims& dims, std::size_t element_bytes) {
  Dims chunk = dims;
  for (auto& size : chunk) {
    const std::uint64_t one = product(chunk) / size * element_bytes;  // bytes of one step along this axis
    const std::uint64_t most = std::max<std::uint64_t>(1, kMaxChunkBytes / one);
    if (size > most) size = (size + (size + most - 1) / most - 1) / ((size + most - 1) / most);
    if (product(chunk) * element_bytes <= kMaxChunkBytes) break;
  }
  return chunk;
}

Node create_dataset(const Node& parent, const std::string& name, Element element, const Dims& dims) {
  Node dataset = child_of(parent, name);
  const std::string where = dataset.where();
  const Handle type = type_of(element), creation = creation_list(where, element, dims);
  const std::vector<hsize_t> sizes(dims.begin(), dims.end());
  const Handle space(
      call<IoError>(where, "preparing to create", H5Screate_simple, static_cast<int>(sizes.size()),
                    sizes.data(), static_cast<const hsize_t*>(nullptr)),
      H5Sclose);
  dataset.handle =
      Handle(call<IoError>(where, "cannot be created", H5Dcreate2, parent.id(), name.c_str(), type.get(),
                           space.get(), hid_t{H5P_DEFAULT}, creation.get(), hid_t{H5P_DEFAULT}),
             H5Dclose);
  return dataset;
}

void write_rows(const Node& dataset, Element element, const Dims& dims, std::uint64_t first,
                std::span<const std::byte> data) {
  const std::string where = dataset.where();
  if (data.empty()) return;
  const std::uint64_t row_bytes = product(dims) / dims[0] * size_of(element), rows = data.size() / row_bytes;
  if (data.size() % row_bytes != 0 || first > dims[0] || rows > dims[0] - first)
    throw ShapeError(where + ": " + std::to_string(data.size()) + " bytes from row " + std::to_string(first) +
                     " for " + dims_text(dims) + " of " + name_of(element));
  const Handle space(call<IoError>(where, "cannot be written", H5Dget_space, dataset.id()), H5Sclose);
  std::vector<hsize_t> begin(dims.size(), 0), count(dims.begin(), dims.end());
  begin[0] = first;
  count[0] = rows;
  call<IoError>(where, "cannot be written", H5Sselect_hyperslab, space.get(), H5S_SELECT_SET,
                static_cast<const hsize_t*>(begin.data()), static_cast<const hsize_t*>(nullptr),
                static_cast<const hsize_t*>(count.data()), static_cast<const hsize_t*>(nullptr));
  const Handle memory(
      call<IoError>(where, "cannot be written", H5Screate_simple, static_cast<int>(count.size()),
                    static_cast<const hsize_t*>(count.data()), static_cast<const hsize_t*>(nullptr)),
      H5Sclose);
  call<IoError>(where, "cannot be written", H5Dwrite, dataset.id(), type_of(element).get(), memory.get(),
                space.get(), hid_t{H5P_DEFAULT}, static_cast<const void*>(data.data()));
  check_written(dataset);
}

Node write_dataset(const Node& parent, const std::string& name, Element element, const Dims& dims,
                   std::span<const std::byte> data) {
  if (data.size() != product(dims) * size_of(element))
    throw ShapeError(child_of(parent, name).where() + ": " + std::to_string(data.size()) + " bytes for " +
                     dims_text(dims) + " of " + name_of(element));
  Node dataset = create_dataset(parent, name, element, dims);
  write_rows(dataset, element, dims, 0, data);
  return dataset;
}

Node open_dataset(const Node& parent, const std::string& name, DatasetInfo& info) {
  Node dataset = open_dataset_link(parent, name);
  const std::string where = dataset.where();
  const Handle list = storage_inside_file(dataset);
  const Handle type(call<FormatError>(where, "cannot be read", H5Dget_type, dataset.id()), H5Tclose);
  if (!find_element(type.get(), info.element))
    throw FormatError(where + ": element type is not one of u8, u16, u32, f16, f32, little-endian");
  const Handle space(call<FormatError>(where, "cannot be read", H5Dget_space, dataset.id()), H5Sclose);
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 1 || rank > 4)
    throw FormatError(where + ": expected 1 to 4 dimensions, found " + std::to_string(rank));
  std::array<hsize_t, 4> sizes{};
  call<FormatError>(where, "cannot be read", H5Sget_simple_extent_dims, space.get(), sizes.data(),
                    static_cast<hsize_t*>(nullptr));
  info.dims.assign(sizes.begin(), sizes.begin() + rank);
  check_chunks(dataset, list, info);
  return dataset;
}

Node open_dataset(const Node& parent, const std::string& name, Element element, const Dims& dims) {
  DatasetInfo found;
  Node dataset = open_dataset(parent, name, found);
  if (found.element != element || found.dims != dims)
    throw FormatError(dataset.where() + ": expected " + name_of(element) + " " + dims_text(dims) +
                      ", found " + name_of(found.element) + " " + dims_text(found.dims));
  return dataset;
}

void read_all(const Node& dataset, Element element, std::span<std::byte> out) {
  if (out.empty()) return;
  call<FormatError>(dataset.where(), "cannot be read", H5Dread, dataset.id(), type_of(element).get(),
                    hid_t{H5S_ALL}, hid_t{H5S_ALL}, hid_t{H5P_DEFAULT}, static_cast<void*>(out.data()));
}

}  // namespace apiq::hdf5
