// Scalar attributes of exactly the documented types.
#include "apiq/error.hpp"
#include "io/hdf5.hpp"

namespace apiq::hdf5 {
namespace {

std::string attribute_place(const Node& node, const char* name) {
  return node.where() + ": attribute '" + name + "'";
}

void write_scalar(const Node& node, const char* name, hid_t type, const void* value) {
  const std::string where = attribute_place(node, name);
  const Handle space(call<IoError>(where, "cannot be written", H5Screate, H5S_SCALAR), H5Sclose);
  const Handle attribute(call<IoError>(where, "cannot be created", H5Acreate2, node.id(), name, type,
                                       space.get(), hid_t{H5P_DEFAULT}, hid_t{H5P_DEFAULT}),
                         H5Aclose);
  call<IoError>(where, "cannot be written", H5Awrite, attribute.get(), type, value);
}

Handle open_scalar(const Node& node, const char* name) {
  const std::string where = attribute_place(node, name);
  if (!has_attribute(node, name)) throw FormatError(where + ": missing");
  Handle attribute(call<FormatError>(where, "cannot be opened", H5Aopen, node.id(), name, hid_t{H5P_DEFAULT}),
                   H5Aclose);
  const Handle space(call<FormatError>(where, "cannot be read", H5Aget_space, attribute.get()), H5Sclose);
  if (H5Sget_simple_extent_type(space.get()) != H5S_SCALAR)
    throw FormatError(where + ": expected one value, found an array");
  return attribute;
}

template <class T>
T read_number(const Node& node, const char* name, Element element) {
  const std::string where = attribute_place(node, name);
  const Handle attribute = open_scalar(node, name);
  const Handle expected = type_of(element);
  const Handle found(call<FormatError>(where, "cannot be read", H5Aget_type, attribute.get()), H5Tclose);
  if (H5Tequal(found.get(), expected.get()) <= 0)
    throw FormatError(where + ": expected a number of type " + name_of(element));
  T value{};
  call<FormatError>(where, "cannot be read", H5Aread, attribute.get(), expected.get(),
                    static_cast<void*>(&value));
  return value;
}

Handle string_type(std::size_t bytes) {
  Handle type(call<Error>("[hdf5]", "copying a type", H5Tcopy, hid_t{H5T_C_S1}), H5Tclose);
  call<Error>("[hdf5]", "making a string type", H5Tset_size, type.get(), bytes ? bytes : 1);
  call<Error>("[hdf5]", "making a string type", H5Tset_strpad, type.get(), H5T_STR_NULLPAD);
  call<Error>("[hdf5]", "making a string type", H5Tset_cset, type.get(), H5T_CSET_UTF8);
  return type;
}

}  // namespace

void write_attribute(const Node& node, const char* name, std::uint32_t value) {
  write_scalar(node, name, type_of(Element::u32).get(), &value);
}
void write_attribute(const Node& node, const char* name, float value) {
  write_scalar(node, name, type_of(Element::f32).get(), &value);
}
void write_attribute(const Node& node, const char* name, const std::string& value) {
  if (value.size() > kMaxAttributeBytes)
    throw InvalidArgument(attribute_place(node, name) + ": text is too long for an attribute");
  write_scalar(node, name, string_type(value.size()).get(), value.c_str());
}

bool has_attribute(const Node& node, const char* name) {
  return call<FormatError>(node.where(), "attributes cannot be read", H5Aexists, node.id(), name) > 0;
}

std::uint32_t read_u32_attribute(const Node& node, const char* name) {
  return read_number<std::uint32_t>(node, name, Element::u32);
}
float read_f32_attribute(const Node& node, const char* name) {
  return read_number<float>(node, name, Element::f32);
}

std::string read_string_attribute(const Node& node, const char* name) {
  const std::string where = attribute_place(node, name);
  const Handle attribute = open_scalar(node, name);
  const Handle type(call<FormatError>(where, "cannot be read", H5Aget_type, attribute.get()), H5Tclose);
  const std::size_t bytes = H5Tget_size(type.get());
  if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) != 0 ||
      bytes > kMaxAttributeBytes)
    throw FormatError(where + ": expected a fixed-length string of at most " +
                      std::to_string(kMaxAttributeBytes) + " bytes");
  std::string value(bytes, '\0');
  call<FormatError>(where, "cannot be read", H5Aread, attribute.get(), type.get(),
                    static_cast<void*>(value.data()));
  while (!value.empty() && value.back() == '\0') value.pop_back();
  return value;
}

}  // namespace apiq::hdf5
