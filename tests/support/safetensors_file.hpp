// Makes safetensors bytes for tests, right or wrong: the header is a text of the test's own.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "tensor/tensor_source.hpp"

namespace apiq::test {

/// A file with this header text and data; header_size other than the text's length makes a lying file.
inline std::string safetensors_bytes(const std::string& header, const std::string& data,
                                     std::uint64_t header_size) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(header_size >> (8 * i) & 0xff);
  return out + header + data;
}
inline std::string safetensors_bytes(const std::string& header, const std::string& data) {
  return safetensors_bytes(header, data, header.size());
}

/// A well-formed file of F16 tensors; the bytes of each are `fill` repeated.
inline std::string safetensors_bytes(const std::map<std::string, Shape>& shapes, char fill = 0) {
  std::string header = "{", data;
  for (const auto& [name, shape] : shapes) {
    const std::size_t begin = data.size();
    data.append(2 * shape.elements(), fill);
    header += (header.size() > 1 ? "," : "") + std::string("\"") + name +
              "\":{\"dtype\":\"F16\",\"shape\":" + shape.text() + ",\"data_offsets\":[" +
              std::to_string(begin) + "," + std::to_string(data.size()) + "]}";
  }
  return safetensors_bytes(header + "}", data);
}

}  // namespace apiq::test
