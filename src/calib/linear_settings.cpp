#include "calib/linear_settings.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <charconv>

#include "apiq/error.hpp"
#include "codec/codecs.hpp"
#include "io/model_directory.hpp"
#include "util/text.hpp"

namespace apiq {

namespace {

[[noreturn]] void refuse(const std::string& text, const std::string& reason) {
  throw InvalidArgument("[--override] '" + excerpt(text) + "': " + reason +
                        "; expected PATTERN=bits:N,group-size:N|row,rank:N, each setting optional");
}

std::uint32_t parse_number(const std::string& text, std::string_view key, std::string_view value) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size())
    refuse(text, std::string(key) + " is '" + excerpt(value) + "', not a whole number");
  return number;
}

void parse_setting(ModuleOverride& out, const std::string& text, std::string_view setting) {
  const std::size_t colon = setting.find(':');
  if (colon == std::string_view::npos) refuse(text, "'" + excerpt(setting) + "' has no ':'");
  const std::string_view key = setting.substr(0, colon), value = setting.substr(colon + 1);
  std::optional<std::uint32_t>* field = key == "bits"         ? &out.bits
                                        : key == "group-size" ? &out.group_size
                                        : key == "rank"       ? &out.rank
                                                              : nullptr;
  if (field == nullptr) refuse(text, "'" + excerpt(key) + "' is not one of bits, group-size, rank");
  if (field->has_value()) refuse(text, std::string(key) + " occurs twice");
  const bool row = field == &out.group_size && value == "row";
  *field = row ? 0 : parse_number(text, key, value);
  if (field == &out.bits && !has_bits(kAffine, *out.bits)) refuse(text, "bits must be " + bits_text(kAffine));
  if (field == &out.group_size && !row && *out.group_size == 0)
    refuse(text, "group-size must be at least 1, or 'row'");
}

}  // namespace

ModuleOverride parse_override(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) refuse(text, "has no '='");
  ModuleOverride out;
  out.pattern = text.substr(0, equals);
  if (out.pattern.empty()) refuse(text, "has no pattern before '='");
  std::string_view settings = std::string_view(text).substr(equals + 1);
  while (true) {
    const std::size_t comma = settings.find(',');
    parse_setting(out, text, settings.substr(0, comma));
    if (comma == std::string_view::npos) return out;
    settings.remove_prefix(comma + 1);
  }
}

std::string override_text(const ModuleOverride& setting) {
  std::vector<std::string> parts;
  if (setting.bits) parts.push_back("bits:" + std::to_string(*setting.bits));
  if (setting.group_size)
    parts.push_back("group-size:" + (*setting.group_size == 0 ? "row" : std::to_string(*setting.group_size)));
  if (setting.rank) parts.push_back("rank:" + std::to_string(*setting.rank));
  return setting.pattern + "=" + join(parts, ",");
}

namespace calib {

namespace {

/// "self_attn.q_proj, ..., mlp.down_proj in model.layers.0 to model.layers.5"
std::string what_there_is(const std::vector<std::string>& names) {
  constexpr std::size_t kParts = 3;  // model, layers, index
  std::vector<std::string> kinds, layers;
  for (const std::string& name : names) {
    std::size_t dot = std::string::npos;
    for (std::size_t part = 0; part < kParts; ++part) dot = name.find('.', dot + 1);
    if (dot == std::string::npos) continue;
    if (const std::string kind = name.substr(dot + 1);
        std::find(kinds.begin(), kinds.end(), kind) == kinds.end())
      kinds.push_back(kind);
    if (layers.empty() || layers.back() != name.substr(0, dot)) layers.push_back(name.substr(0, dot));
  }
  if (layers.empty()) return "none";
  return join(kinds, ", ") + " in " + layers.front() + (layers.size() > 1 ? " to " + layers.back() : "");
}

}  // namespace

bool matches(const std::string& pattern, const std::string& linear_name) {
  for (std::size_t begin = 0; begin != std::string::npos;) {
    if (::fnmatch(pattern.c_str(), linear_name.c_str() + begin, 0) == 0) return true;
    const std::size_t dot = linear_name.find('.', begin);
    begin = dot == std::string::npos ? dot : dot + 1;
  }
  return false;
}

namespace {

bool is_chosen(const QuantizeOptions& options, const std::string& linear_name) {
  return options.modules.empty() ||
         std::any_of(options.modules.begin(), options.modules.end(),
                     [&](const std::string& module) { return matches(module, linear_name); });
}

}  // namespace

LinearSettings settings_of(const QuantizeOptions& options, const std::string& linear_name,
                           std::uint32_t in_features) {
  LinearSettings out{true, options.bits, options.group_size, lora_of(options.method).rank};
  out.quantize = is_chosen(options, linear_name);
  for (const ModuleOverride& setting : options.overrides) {
    if (!matches(setting.pattern, linear_name)) continue;
    out.bits = setting.bits.value_or(out.bits);
    out.group_size = setting.group_size.value_or(out.group_size);
    out.rank = setting.rank.value_or(out.rank);
  }
  if (out.group_size == 0) out.group_size = in_features;
  return out;
}

void check_patterns(const QuantizeOptions& options, const std::vector<std::string>& linear_names) {
  const auto check = [&](const char* option, const std::string& pattern) {
    if (std::none_of(linear_names.begin(), linear_names.end(),
                     [&](const std::string& name) { return matches(pattern, name); }))
      throw InvalidArgument("[" + std::string(option) + "] '" + excerpt(pattern) +
                            "' matches no linear; there are " + what_there_is(linear_names));
  };
  for (const std::string& module : options.modules) check("--modules", module);
  for (const ModuleOverride& setting : options.overrides) {
    check("--override", setting.pattern);
    if (std::none_of(linear_names.begin(), linear_names.end(), [&](const std::string& name) {
          return matches(setting.pattern, name) && is_chosen(options, name);
        }))
      throw InvalidArgument("[--override] '" + excerpt(setting.pattern) +
                            "' matches only linears that --modules leaves as they are; name them there, too");
  }
}

}  // namespace calib
}  // namespace apiq
