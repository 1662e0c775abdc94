#include "tune/search_space.hpp"

#include <algorithm>

#include "apiq/error.hpp"
#include "util/text.hpp"

namespace apiq::tuning {

const SearchSpace& search_space(std::string_view program) {
  std::vector<std::string> names;
  for (const SearchSpace& space : search_spaces()) {
    if (space.program == program) return space;
    names.emplace_back(space.program);
  }
  throw InvalidArgument("there is no kernel named '" + std::string(program) + "'; expected one of " +
                        join(names, ", "));
}

Point point_of(const runtime::Macros& macros) {
  Point out;
  for (const auto& [name, value] : macros) out.emplace(name, value);
  return out;
}

std::string text_of(const SearchSpace& space, const Point& point) {
  std::vector<std::string> parts;
  for (const Axis& axis : space.axes)
    if (const auto found = point.find(axis.name); found != point.end())
      parts.push_back(found->first + "=" + std::to_string(found->second));
  return join(parts, " ");
}

std::string conflict_of(const SearchSpace& space, const Point& point, const DeviceInfo& info) {
  if (space.group_items && static_cast<std::uint64_t>(space.group_items(point)) > info.max_work_group_size)
    return "work-group too large";
  if (space.local_bytes && static_cast<std::uint64_t>(space.local_bytes(point)) > info.local_bytes)
    return "too much local memory";
  return space.conflict ? space.conflict(point) : std::string();
}

const std::vector<int>& candidates(const Axis& axis, bool is_cpu) { return is_cpu ? axis.cpu : axis.gpu; }

bool is_searched(const SearchSpace& space, bool is_cpu) {
  return std::any_of(space.axes.begin(), space.axes.end(),
                     [&](const Axis& axis) { return candidates(axis, is_cpu).size() > 1; });
}

double effort(const SearchSpace& space, bool is_cpu) {
  double out = 4.0 * static_cast<double>(space.together.size());
  for (const Axis& axis : space.axes) out += static_cast<double>(candidates(axis, is_cpu).size());
  return out;
}

std::uint64_t settings(const SearchSpace& space, const Point& preset, const DeviceInfo& info, bool is_cpu) {
  std::vector<Point> points{preset};
  for (const Axis& axis : space.axes) {
    std::vector<Point> longer;
    for (const Point& point : points) {
      for (const int value : candidates(axis, is_cpu)) {
        longer.push_back(point);
        longer.back()[std::string(axis.name)] = value;
      }
      if (candidates(axis, is_cpu).empty()) longer.push_back(point);
    }
    points = std::move(longer);
  }
  return static_cast<std::uint64_t>(std::count_if(
      points.begin(), points.end(), [&](const Point& p) { return conflict_of(space, p, info).empty(); }));
}

std::string why_fixed(const SearchSpace& space, bool is_cpu) {
  if (!space.reason.empty()) return std::string(space.reason);
  return is_cpu ? "no candidates for CPUs" : "no candidates for GPUs";
}

}  // namespace apiq::tuning
