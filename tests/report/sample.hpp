// Summaries of checkpoints that nobody made, with the errors, losses and times that a test wants.
#pragma once
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "apiq/plot.hpp"

namespace apiq::testing {

inline constexpr const char* kLinears[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                           "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                           "mlp.down_proj"};

struct Sample {
  std::size_t blocks = 6, epochs = 4;
  std::function<double(std::size_t)> relative_error = [](std::size_t block) {
    return 0.05 + 0.01 * static_cast<double>(block);
  };
  std::function<double(std::size_t, std::size_t)> loss = [](std::size_t block, std::size_t epoch) {
    return static_cast<double>(block + 1) * std::pow(0.9, epoch);
  };
  std::size_t points = 0;  // of the curve over the steps, 8 steps each; 0: a checkpoint of an earlier version
  std::function<double(std::size_t, std::size_t)> step_loss = [](std::size_t block, std::size_t point) {
    return static_cast<double>(block + 1) * std::exp(-0.02 * static_cast<double>(point));
  };
  std::function<double(std::size_t, std::size_t)> weight_error = [](std::size_t block, std::size_t linear) {
    return 0.1 + 0.01 * static_cast<double>(block) + 0.001 * static_cast<double>(linear);
  };
};

inline nlohmann::json number_or_null(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
}

inline nlohmann::json block_json(const Sample& sample, std::size_t block) {
  nlohmann::json losses = nlohmann::json::array(), linears = nlohmann::json::array();
  for (std::size_t e = 0; e < sample.epochs; ++e) losses.push_back(number_or_null(sample.loss(block, e)));
  for (std::size_t k = 0; k < std::size(kLinears); ++k)
    linears.push_back({{"name", "model.layers." + std::to_string(block) + "." + kLinears[k]},
                       {"weight_error", number_or_null(sample.weight_error(block, k))}});
  nlohmann::json out = {{"index", block},
                        {"loss_first", losses.empty() ? nlohmann::json(nullptr) : losses.front()},
                        {"loss_last", losses.empty() ? nlohmann::json(nullptr) : losses.back()},
                        {"losses", losses},
                        {"relative_error", number_or_null(sample.relative_error(block))},
                        {"skipped_steps", 0},
                        {"linears", linears}};
  for (std::size_t i = 0; i < sample.points; ++i)
    out["step_losses"].push_back(number_or_null(sample.step_loss(block, i)));
  if (sample.points != 0) out.update({{"steps_per_point", 8}, {"steps", 8 * sample.points}});
  return out;
}

inline FileSummary summary_of(const Sample& sample) {
  FileSummary out;
  out.path = "folder/model.h5";
  out.kind = "checkpoint";
  out.method = "apiq-bw";
  out.options_json =
      R"({"bits":2,"group_size":64,"lora_learning_rate":0.0005000000237487257,"overrides":["down_proj=bits:3"]})";
  out.provenance_json =
      R"({"command":"apiq-quantize --model m --output model.h5","commit":"abc","device":{"name":"a device"}})";
  out.total_bytes = 4096;
  nlohmann::json blocks = nlohmann::json::array();
  for (std::size_t b = 0; b < sample.blocks; ++b) {
    blocks.push_back(block_json(sample, b));
    for (const char* linear : kLinears) {
      out.linear_names.push_back("model.layers." + std::to_string(b) + "." + linear);
      out.linears.push_back({out.linear_names.back(), 256, 256, 2, 64, 8, false, 1000, 100});
    }
  }
  out.report_json = nlohmann::json{{"blocks", blocks}, {"skipped_steps", 0}}.dump();
  return out;
}

/// What apiq-quantize would have written of that run: every block took 2 seconds and a peak of 1 MiB on the
/// device.
inline nlohmann::json run_json_of(const Sample& sample) {
  nlohmann::json blocks = nlohmann::json::array();
  for (std::size_t b = 0; b < sample.blocks; ++b) {
    nlohmann::json block = block_json(sample, b);
    block.update({{"resumed", false},
                  {"seconds", 2.0},
                  {"phases", {{"load", 0.25}, {"train", 1.5}}},
                  {"wait_seconds", 0.1},
                  {"peak_device_bytes", 1 << 20},
                  {"peak_host_bytes", 5 << 20}});
    blocks.push_back(block);
  }
  return {{"program", "apiq-quantize"},
          {"command", "apiq-quantize --model m --output model.h5"},
          {"device", {{"name", "a device"}}},
          {"seed", 0},
          {"output_bytes", 4096},
          {"peak_device_bytes", 1 << 20},
          {"peak_host_bytes", 5 << 20},
          {"quantize_seconds", 13.0},
          {"wait_seconds", 0.65},
          {"blocks", blocks}};
}

}  // namespace apiq::testing
