#include "io/stored_linear.hpp"

#include <cmath>
#include <span>

#include "apiq/error.hpp"
#include "io/checkpoint_layout.hpp"

namespace apiq::checkpoint_layout {

namespace h5 = hdf5;

namespace {

template <class T>
std::span<const std::byte> bytes_of(const T& values) {
  return std::as_bytes(std::span(values.data(), values.size()));
}

void check_count(const std::string& name, const char* what, std::size_t found, std::uint64_t expected) {
  if (found != expected)
    throw ShapeError("[checkpoint] " + name + ": " + what + ": expected " + std::to_string(expected) +
                     " elements, got " + std::to_string(found));
}

void check_linear(const std::string& name, const QuantizedLinear& l) {
  check_name("linear", name);
  const PackedLayout& p = l.weight.layout;
  check_planes(l.weight, name.c_str());
  check_count(name, "lora_A", l.lora_A.size(), std::uint64_t{l.rank} * p.in_features);
  check_count(name, "lora_B", l.lora_B.size(), std::uint64_t{p.out_features} * l.rank);
}

h5::Node open_plane(const h5::Node& group, const Plane& plane) {
  return h5::open_dataset(group, std::string(plane.name), element_of(plane.dtype), dims_of(plane.shape));
}

std::vector<std::uint16_t> read_halves(const h5::Node& group, const char* name, const h5::Dims& dims) {
  const h5::Node dataset = h5::open_dataset(group, name, h5::Element::f16, dims);
  std::vector<std::uint16_t> values(dims[0] * dims[1]);
  h5::read_all(dataset, h5::Element::f16, std::as_writable_bytes(std::span(values)));
  return values;
}

void check_datasets(const h5::Node& group, const LinearEntry& e) {
  for (const Plane& plane : e.layout.codec->planes(e.layout)) open_plane(group, plane);
  if (e.rank != 0) {
    h5::open_dataset(group, "lora_A", h5::Element::f16, {e.rank, e.layout.in_features});
    h5::open_dataset(group, "lora_B", h5::Element::f16, {e.layout.out_features, e.rank});
  } else if (h5::has_child(group, "lora_A") || h5::has_child(group, "lora_B")) {
    throw FormatError(group.where() + ": has LoRA matrices although its rank is 0");
  }
}

/// Before any size is computed from what the file says.
void check_against(const h5::Node& group, const PackedLayout& found, const Shape& weight) {
  const auto expect = [&](const char* name, std::uint64_t value, std::uint64_t expected) {
    if (value != expected)
      throw FormatError(group.where() + ": attribute '" + name + "': expected " + std::to_string(expected) +
                        " as config.json says, found " + std::to_string(value));
  };
  expect("out_features", found.out_features, weight[0]);
  expect("in_features", found.in_features, weight[1]);
}

const Codec& read_codec(const h5::Node& group, std::span<const Codec* const> among) {
  const std::string found = h5::read_string_attribute(group, "layout");
  if (const Codec* codec = find_codec(found, among)) return *codec;
  std::string known;
  for (const Codec* codec : among) known += (known.empty() ? "'" : ", '") + std::string(codec->layout) + "'";
  throw FormatError(group.where() + ": attribute 'layout': expected " + known + ", found '" + found + "'");
}

PackedLayout read_layout(const h5::Node& group, const std::string& name, const Shape& weight,
                         std::span<const Codec* const> among) {
  const PackedLayout layout{.out_features = h5::read_u32_attribute(group, "out_features"),
                            .in_features = h5::read_u32_attribute(group, "in_features"),
                            .bits = h5::read_u32_attribute(group, "bits"),
                            .group_size = h5::read_u32_attribute(group, "group_size"),
                            .codec = &read_codec(group, among)};
  check_against(group, layout, weight);
  try {
    check_layout(layout, name.c_str());
  } catch (const InvalidArgument& error) {
    throw FormatError(group.where() + ": " + error.what());
  }
  return layout;
}

}  // namespace

void check_name(const std::string& kind, const std::string& name) {
  if (name.empty() || name.size() > kMaxNameBytes || name == "." || name == ".." ||
      name.find('/') != std::string::npos || name.find('\0') != std::string::npos)
    throw InvalidArgument("[checkpoint] " + kind + " name '" + name +
                          "' cannot be stored: expected 1 to 500 bytes without '/'");
}

void check_new(const h5::Node& group, const std::string& name) {
  if (h5::has_child(group, name))
    throw InvalidArgument("[checkpoint] " + h5::child_of(group, name).where() + ": added twice");
}

void write_linear(const h5::Node& linears, const std::string& name, const QuantizedLinear& linear) {
  check_linear(name, linear);
  check_new(linears, name);
  const PackedLayout& p = linear.weight.layout;
  const h5::Node group = h5::create_group(linears, name);
  h5::write_attribute(group, "bits", p.bits);
  h5::write_attribute(group, "group_size", p.group_size);
  h5::write_attribute(group, "in_features", p.in_features);
  h5::write_attribute(group, "out_features", p.out_features);
  h5::write_attribute(group, "symmetric", std::uint32_t{linear.symmetric});
  h5::write_attribute(group, "rank", linear.rank);
  h5::write_attribute(group, "alpha", linear.alpha);
  h5::write_attribute(group, "layout", std::string(p.codec->layout));

  const std::vector<Plane> planes = p.codec->planes(p);
  for (std::size_t i = 0; i < planes.size(); ++i)
    h5::write_dataset(group, std::string(planes[i].name), element_of(planes[i].dtype),
                      dims_of(planes[i].shape), linear.weight.planes[i]);
  if (linear.rank == 0) return;
  h5::write_dataset(group, "lora_A", h5::Element::f16, {linear.rank, p.in_features}, bytes_of(linear.lora_A));
  h5::write_dataset(group, "lora_B", h5::Element::f16, {p.out_features, linear.rank},
                    bytes_of(linear.lora_B));
}

LinearEntry read_entry(const h5::Node& linears, const std::string& name, const Shape& weight,
                       std::span<const Codec* const> among) {
  const h5::Node group = h5::open_group(linears, name);
  LinearEntry e;
  e.name = name;
  e.layout = read_layout(group, name, weight, among);
  const std::uint32_t symmetric = h5::read_u32_attribute(group, "symmetric");
  if (symmetric > 1)
    throw FormatError(group.where() + ": attribute 'symmetric': expected 0 or 1, found " +
                      std::to_string(symmetric));
  e.symmetric = symmetric == 1;
  e.rank = h5::read_u32_attribute(group, "rank");
  e.alpha = h5::read_f32_attribute(group, "alpha");
  if (!std::isfinite(e.alpha))
    throw FormatError(group.where() + ": attribute 'alpha' is not a finite number");
  e.bytes = e.layout.bytes();
  e.adapter_bytes = 2 * std::uint64_t{e.rank} * (std::uint64_t{e.layout.in_features} + e.layout.out_features);
  check_datasets(group, e);
  return e;
}

QuantizedLinear read_linear(const h5::Node& linears, const LinearEntry& entry) {
  const PackedLayout& p = entry.layout;
  const h5::Node group = h5::open_group(linears, entry.name);
  QuantizedLinear out{.weight = {},
                      .symmetric = entry.symmetric,
                      .rank = entry.rank,
                      .alpha = entry.alpha,
                      .lora_A = {},
                      .lora_B = {}};
  out.weight = PackedMatrix(p);
  const std::vector<Plane> planes = p.codec->planes(p);
  for (std::size_t i = 0; i < planes.size(); ++i)
    h5::read_all(open_plane(group, planes[i]), element_of(planes[i].dtype), out.weight.planes[i]);
  if (entry.rank == 0) return out;
  out.lora_A = read_halves(group, "lora_A", {entry.rank, p.in_features});
  out.lora_B = read_halves(group, "lora_B", {p.out_features, entry.rank});
  return out;
}

void write_text_dataset(const h5::Node& parent, const std::string& name, const std::string& text) {
  h5::write_dataset(parent, name, h5::Element::u8, {text.size()}, bytes_of(text));
}

std::string read_text_dataset(const h5::Node& parent, const std::string& name) {
  h5::DatasetInfo info;
  const h5::Node dataset = h5::open_dataset(parent, name, info);
  if (info.element != h5::Element::u8 || info.dims.size() != 1)
    throw FormatError(dataset.where() + ": expected u8 with one dimension");
  std::string text(info.dims[0], '\0');
  h5::read_all(dataset, info.element, std::as_writable_bytes(std::span(text.data(), text.size())));
  return text;
}

void write_text(const h5::Node& root, const char* name, const std::string& text) {
  if (text.size() <= kMaxTextAttribute) h5::write_attribute(root, name, text);
  else write_text_dataset(root, name, text);
}

std::string read_text(const h5::Node& root, const char* name) {
  return h5::has_attribute(root, name) ? h5::read_string_attribute(root, name)
                                       : read_text_dataset(root, name);
}

}  // namespace apiq::checkpoint_layout
