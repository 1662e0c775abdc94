// How a checkpoint being written reaches the disk: plain pwrite, and the ability to give up. HDF5 1.10 cannot close a file that it
// cannot flush (full disk): the file stays open and the library crashes in its exit handler. So a writer that fails tells this
// driver to discard what HDF5 still wants to write, and the close succeeds.
#pragma once
#include <hdf5.h>

namespace apiq::hdf5 {

/// Makes files created with this access list use the driver. The bytes written are those of HDF5's own POSIX driver.
herr_t use_discardable_driver(hid_t access_list);

/// From now on, what is written to the file goes nowhere.
void discard_writes(hid_t file) noexcept;

}  // namespace apiq::hdf5
