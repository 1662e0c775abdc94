// Edits of HDF5 files behind the back of their writers.
#pragma once
#include <hdf5.h>

#include <cstdint>
#include <string>

namespace apiq::testing_support {

/// Another value, and maybe another type, for a number among the attributes of an object.
inline void replace_number(hid_t file, const std::string& object, const char* name, std::uint32_t value,
                           hid_t type = H5T_STD_U32LE) {
  const hid_t node = H5Oopen(file, object.c_str(), H5P_DEFAULT), space = H5Screate(H5S_SCALAR);
  H5Adelete(node, name);
  const hid_t attribute = H5Acreate2(node, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  H5Awrite(attribute, H5T_NATIVE_UINT32, &value);
  H5Aclose(attribute);
  H5Sclose(space);
  H5Oclose(node);
}

}  // namespace apiq::testing_support
