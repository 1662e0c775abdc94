// apiq-tune: finds the fastest kernel settings of a device and writes them where every program reads them.
#include <cstdio>

#include "apiq/tune.hpp"
#include "common/program.hpp"
#include "common/table.hpp"

namespace {

using namespace apiq;
using namespace apiq::apps;

struct Settings {
  TuneOptions tune;
  bool list = false;

  template <class Visit>
  static void fields(Visit&& visit) {
    visit(&Settings::list,
          Field{.name = "list",
                .help = "list the kernels, their number of settings and the one in use, then stop",
                .group = "Tuning",
                .instead = true});
  }
};

std::string values_text(const std::map<std::string, int>& values) {
  std::string out;
  for (const auto& [name, value] : values)
    out += (out.empty() ? "" : " ") + name + "=" + std::to_string(value);
  return out;
}

int list(Program& program) {
  const std::vector<TunableKernel> kernels = tunable_kernels(program.device());
  if (program.prints_tables()) {
    Table table({"kernel", "settings", "in use", "not searched because"});
    for (const TunableKernel& k : kernels)
      table.row({k.name, std::to_string(k.candidates), values_text(k.values), k.reason});
    table.print();
    const std::filesystem::path file = tuning_file_in_use(program.device());
    std::printf("%s\n", file.empty() ? "presets: there is no tuning file for this device"
                                     : ("from " + file.string()).c_str());
  }
  if (program.wants_json()) program.write_json(to_json(program.run_info(), kernels));
  return kDone;
}

std::string rejected_text(const TunedKernel& kernel) {
  std::string out;
  for (const auto& [reason, count] : kernel.rejected)
    out += (out.empty() ? "" : ", ") + std::to_string(count) + " " + reason;
  return out;
}

void print_result(const TuneResult& result) {
  Table table({"kernel", "outcome", "speedup", "spread", "measured", "refused", "setting"});
  for (const TunedKernel& k : result.kernels)
    table.row({k.name, name_of(k.outcome) + (k.finished ? "" : " so far"), decimals(k.speedup, 3),
               decimals(k.spread, 3), std::to_string(k.measured), rejected_text(k), values_text(k.values)});
  table.print();
  std::printf("%s%s\n", result.output.c_str(),
              result.finished ? "" : ": not finished; the same command goes on");
}

int run(Program& program, const Settings& s) {
  if (s.list) return list(program);
  const Callbacks callbacks =
      program.callbacks();  // before the device, so that Ctrl-C is heard from the start
  const TuneResult result = tune(program.device(), s.tune, callbacks);
  program.end_progress();
  if (program.prints_tables()) print_result(result);
  if (program.wants_json()) program.write_json(to_json(program.run_info(), result));
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  Settings s;
  Options options("apiq-tune", "find the fastest kernel settings of a device",
                  "[--time TIME] [--kernels LIST] [--output FILE] [options]");
  options.fields(s.tune).fields(s);
  return run_program(argc, argv, options, [&](Program& program) { return run(program, s); });
}
