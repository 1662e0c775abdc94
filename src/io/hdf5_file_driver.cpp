// Facts: HDF5 1.10 virtual file layer, H5FDpublic.h; the callbacks' meaning as in its "sec2" driver.
#include "io/hdf5_file_driver.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace apiq::hdf5 {
namespace {

struct File {
  H5FD_t base{};  // first: HDF5 knows a File by this address
  int descriptor = -1;
  haddr_t end_of_allocation = 0;
  haddr_t end_of_file = 0;
  bool discard = false;
  int error = 0;  // errno of the first failure
};

thread_local int last_closed_error = 0;

File* from(H5FD_t* base) { return reinterpret_cast<File*>(base); }
const File* from(const H5FD_t* base) { return reinterpret_cast<const File*>(base); }

// The wording of HDF5's own drivers, so that last_error() finds the reason in both.
herr_t fail(const char* what) {
  H5Epush2(H5E_DEFAULT, __FILE__, what, static_cast<unsigned>(__LINE__), H5E_ERR_CLS, H5E_IO, H5E_WRITEERROR,
           "%s, error message = '%s'", what, std::strerror(errno));
  return -1;
}

H5FD_t* open_file(const char* name, unsigned flags, hid_t, haddr_t) {
  const int create = (flags & H5F_ACC_CREAT ? O_CREAT : 0) | (flags & H5F_ACC_TRUNC ? O_TRUNC : 0);
  const int descriptor = ::open(name, (flags & H5F_ACC_RDWR ? O_RDWR : O_RDONLY) | create | O_CLOEXEC, 0666);
  if (descriptor < 0) {
    fail("open");
    return nullptr;
  }
  auto* file = new File;
  file->descriptor = descriptor;
  file->end_of_file = static_cast<haddr_t>(::lseek(descriptor, 0, SEEK_END));
  return &file->base;
}

/// What failed is kept for write_error(); HDF5 is told that all is well.
herr_t give_up(File* file) {
  if (!file->discard) file->error = errno;
  file->discard = true;
  return 0;
}

herr_t close_file(H5FD_t* base) {
  File* file = from(base);
  if (::close(file->descriptor) != 0) give_up(file);
  last_closed_error = file->error;
  delete file;
  return 0;
}

herr_t query(const H5FD_t*, unsigned long* flags) {
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
           H5FD_FEAT_AGGREGATE_SMALLDATA;
  return 0;
}

haddr_t get_allocation(const H5FD_t* base, H5FD_mem_t) { return from(base)->end_of_allocation; }
haddr_t get_end(const H5FD_t* base, H5FD_mem_t) { return from(base)->end_of_file; }

herr_t set_allocation(H5FD_t* base, H5FD_mem_t, haddr_t address) {
  from(base)->end_of_allocation = address;
  return 0;
}

herr_t get_handle(H5FD_t* base, hid_t, void** handle) {
  *handle = base;
  return 0;
}

herr_t read(H5FD_t* base, H5FD_mem_t, hid_t, haddr_t address, std::size_t size, void* buffer) {
  auto* out = static_cast<char*>(buffer);
  while (size > 0) {
    const ssize_t got = ::pread(from(base)->descriptor, out, size, static_cast<off_t>(address));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail("read");
    if (got == 0) {  // past the end of the file: zeros, as a sparse file would give
      std::memset(out, 0, size);
      return 0;
    }
    out += got;
    address += static_cast<haddr_t>(got);
    size -= static_cast<std::size_t>(got);
  }
  return 0;
}

herr_t write(H5FD_t* base, H5FD_mem_t, hid_t, haddr_t address, std::size_t size, const void* buffer) {
  File* file = from(base);
  const auto* data = static_cast<const char*>(buffer);
  file->end_of_file = std::max(file->end_of_file, address + size);
  while (size > 0 && !file->discard) {
    const ssize_t put = ::pwrite(file->descriptor, data, size, static_cast<off_t>(address));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return give_up(file);
    data += put;
    address += static_cast<haddr_t>(put);
    size -= static_cast<std::size_t>(put);
  }
  return 0;
}

herr_t truncate(H5FD_t* base, hid_t, hbool_t) {
  File* file = from(base);
  if (file->end_of_allocation == file->end_of_file) return 0;
  if (!file->discard && ::ftruncate(file->descriptor, static_cast<off_t>(file->end_of_allocation)) != 0)
    give_up(file);
  file->end_of_file = file->end_of_allocation;
  return 0;
}

H5FD_class_t driver_class() {
  constexpr H5FD_mem_t kOneKind[H5FD_MEM_NTYPES] = H5FD_FLMAP_DICHOTOMY;
  H5FD_class_t driver{};
  driver.name = "apiq_discardable";
  driver.maxaddr = (haddr_t{1} << 63) - 1;
  driver.fc_degree = H5F_CLOSE_WEAK;
  driver.open = open_file;
  driver.close = close_file;
  driver.query = query;
  driver.get_eoa = get_allocation;
  driver.set_eoa = set_allocation;
  driver.get_eof = get_end;
  driver.get_handle = get_handle;
  driver.read = read;
  driver.write = write;
  driver.truncate = truncate;
  std::copy_n(kOneKind, H5FD_MEM_NTYPES, driver.fl_map);
  return driver;
}

File* file_of(hid_t id) noexcept {
  void* handle = nullptr;
  return id >= 0 && H5Fget_vfd_handle(id, H5P_DEFAULT, &handle) >= 0 ? static_cast<File*>(handle) : nullptr;
}

}  // namespace

herr_t use_discardable_driver(hid_t access_list) {
  static const H5FD_class_t driver = driver_class();
  static const hid_t id = H5FDregister(&driver);  // HDF5 unregisters it in its exit handler
  return id < 0 ? -1 : H5Pset_driver(access_list, id, nullptr);
}

void discard_writes(hid_t file) noexcept {
  if (File* open = file_of(file)) open->discard = true;
}

int write_error(hid_t file) noexcept {
  const File* open = file_of(file);
  return open != nullptr ? open->error : 0;
}

int closed_file_error() noexcept { return last_closed_error; }

}  // namespace apiq::hdf5
