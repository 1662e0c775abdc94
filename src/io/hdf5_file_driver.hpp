// How a checkpoint being written reaches the disk: plain pwrite, whose failures HDF5 never hears of.
// HDF5 1.10 survives no failed write: a file that it cannot flush (full disk) stays open or half closed, and
// the library crashes in its exit handler. So this driver remembers the first failure, lets everything after
// it go nowhere, and whoever writes asks for it.
#pragma once
#include <hdf5.h>

namespace apiq::hdf5 {

/// Makes files created with this access list use the driver. The bytes written are those of HDF5's own POSIX
/// driver.
herr_t use_discardable_driver(hid_t access_list);

/// From now on, what is written to the file goes nowhere.
void discard_writes(hid_t file) noexcept;

/// errno of the first write to this open file that failed; 0 if none did.
int write_error(hid_t file) noexcept;
/// The same of the file that this thread closed last, including what failed while it was closed.
int closed_file_error() noexcept;

}  // namespace apiq::hdf5
