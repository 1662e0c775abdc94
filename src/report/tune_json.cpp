#include "report/tune_json.hpp"

namespace apiq {

Json kernel_json(const TunedKernel& kernel) {
  Json cases = Json::array();
  for (const TuneCase& c : kernel.cases)
    cases.push_back({{"case", c.name},
                     {"bytes", c.bytes},
                     {"flops", c.flops},
                     {"preset_milliseconds", c.preset_ms},
                     {"milliseconds", c.ms}});
  Json out{{"kernel", kernel.name},       {"outcome", name_of(kernel.outcome)},
           {"finished", kernel.finished}, {"preset", kernel.preset},
           {"values", kernel.values},     {"speedup", kernel.speedup},
           {"spread", kernel.spread},     {"measured", kernel.measured},
           {"rejected", kernel.rejected}, {"cases", cases}};
  if (!kernel.message.empty()) out["message"] = kernel.message;
  return out;
}

TunedKernel kernel_from_json(const Json& json) {
  TunedKernel out;
  out.name = json.at("kernel").get<std::string>();
  const auto outcome = json.at("outcome").get<std::string>();
  for (const TuneOutcome value : {TuneOutcome::faster, TuneOutcome::preset_stays, TuneOutcome::skipped})
    if (name_of(value) == outcome) out.outcome = value;
  out.finished = json.at("finished").get<bool>();
  out.preset = json.at("preset").get<std::map<std::string, int>>();
  out.values = json.at("values").get<std::map<std::string, int>>();
  out.speedup = json.at("speedup").get<double>();
  out.spread = json.at("spread").get<double>();
  out.measured = json.at("measured").get<std::uint64_t>();
  out.rejected = json.at("rejected").get<std::map<std::string, std::uint64_t>>();
  for (const Json& c : json.at("cases"))
    out.cases.push_back({c.at("case").get<std::string>(), c.at("bytes").get<double>(),
                         c.at("flops").get<double>(), c.at("preset_milliseconds").get<double>(),
                         c.at("milliseconds").get<double>()});
  out.message = json.value("message", "");
  return out;
}

std::string to_json(const RunInfo& run, const TuneResult& result) {
  Json out = common_json(run);
  out["output"] = result.output.string();
  out["finished"] = result.finished;
  out["kernels"] = Json::array();
  for (const TunedKernel& kernel : result.kernels) out["kernels"].push_back(kernel_json(kernel));
  return text_of(out);
}

std::string to_json(const RunInfo& run, const std::vector<TunableKernel>& kernels) {
  Json out = common_json(run);
  out["kernels"] = Json::array();
  for (const TunableKernel& kernel : kernels) {
    out["kernels"].push_back(
        {{"kernel", kernel.name}, {"values", kernel.values}, {"candidates", kernel.candidates}});
    if (!kernel.reason.empty()) out["kernels"].back()["reason"] = kernel.reason;
  }
  return text_of(out);
}

}  // namespace apiq
