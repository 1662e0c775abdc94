// Results as JSON. Keys are those of the command-line contract; numbers that are not finite become null.
#include "apiq/result.hpp"
#include "report/block_json.hpp"
#include "report/common_json.hpp"
#include "report/fields_json.hpp"

namespace apiq {

namespace {

void add_model(Json& out, const ModelSummary& model) {
  out["model"] = model.path;
  out["quantized"] = model.quantized;
  out["method"] = model.quantized ? Json(model.method) : Json(nullptr);
  out["bits"] = model.bits;
  out["bits_used"] = model.bits_used;
  out["weight_bytes"] = model.weight_bytes;
}

/// JSON stored as text becomes part of the document; anything else stays a string.
Json embedded(const std::string& text) {
  if (text.empty()) return nullptr;
  Json parsed = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return parsed.is_discarded() ? Json(text) : parsed;
}

Json path_json(const FastPathReport& path) {
  Json speeds = Json::array();
  for (const FastPathSpeed& s : path.speeds)
    speeds.push_back({{"product", s.product}, {"rows", s.rows}, {"ratio", s.ratio}});
  return {{"path", path.path},   {"accepted", path.accepted}, {"used", path.used},
          {"stage", path.stage}, {"reason", path.reason},     {"speeds", speeds}};
}

Json device_json(const DeviceInfo& d) {
  return {{"index", std::to_string(d.platform_index) + ":" + std::to_string(d.device_index)},
          {"name", d.name},
          {"vendor", d.vendor},
          {"driver", d.driver},
          {"platform", d.platform},
          {"platform_version", d.platform_version},
          {"device_version", d.device_version},
          {"opencl_c_version", d.opencl_c_version},
          {"extensions", d.extensions},
          {"is_cpu", d.is_cpu},
          {"compute_units", d.compute_units},
          {"max_work_group_size", d.max_work_group_size},
          {"local_bytes", d.local_bytes},
          {"reported_global_bytes", d.reported_global_bytes},
          {"reported_max_buffer_bytes", d.reported_max_buffer_bytes},
          {"default_budget_bytes", d.default_budget_bytes},
          {"max_buffer_bytes", d.max_buffer_bytes},
          {"fp16_arithmetic", d.has_fp16_arithmetic},
          {"sub_groups", d.has_sub_groups}};
}

void add_options(Json& out, const QuantizeOptions& options) {
  out["method"] = name_of(options.method);
  add_fields(out, options, Recorded::in_result);
  add_fields<CalibrationOptions>(out, options, Recorded::in_result);
  add_method_fields(out, options.method, true);
}

Json block_json(const BlockReport& b) {
  Json out = block_to_json(b), phases = Json::object();
  for (const auto& [name, seconds] : b.phases) phases[name] = seconds;
  out["resumed"] = b.resumed;
  out["seconds"] = b.seconds;
  out["phases"] = phases;
  out["wait_seconds"] = b.wait_seconds;
  out["peak_device_bytes"] = b.device_bytes;
  out["peak_host_bytes"] = b.host_bytes;
  return out;
}

}  // namespace

std::string to_json(const RunInfo& run, const QuantizeResult& result) {
  const QuantizeOptions& q = result.effective;
  Json out = common_json(run);
  add_options(out, q);
  out["bits_per_weight"] = result.bits_per_weight;
  out["adapter_bits_per_weight"] = result.adapter_bits_per_weight;
  out["output"] = q.output.string();
  out["output_bytes"] = result.output_bytes;
  out["skipped_steps"] = result.skipped_steps;
  out["quantize_seconds"] = result.seconds;
  out["wait_seconds"] = result.wait_seconds;
  out["blocks"] = Json::array();
  for (const BlockReport& b : result.blocks) out["blocks"].push_back(block_json(b));
  return text_of(out);
}

std::string to_json(const RunInfo& run, const DryRunResult& result) {
  Json out = common_json(run);
  add_options(out, result.effective);
  out["dry_run"] = true;
  out["stages"] = Json::array();
  for (const DryRunStage& stage : result.stages)
    out["stages"].push_back(
        {{"name", stage.name}, {"seconds", stage.seconds}, {"device_bytes", stage.device_bytes}});
  out["estimated_seconds"] = result.seconds;
  out["estimated_device_bytes"] = result.device_bytes;
  out["estimated_host_bytes"] = result.host_bytes;
  out["estimated_work_bytes"] = result.work_bytes;
  out["estimated_output_bytes"] = result.output_bytes;
  out["free_disk_bytes"] = result.free_disk_bytes;
  out["activations"] = result.activations;
  out["prefetch"] = result.prefetch;
  return text_of(out);
}

std::string to_json(const RunInfo& run, const ModelSummary& model, const PerplexityResult& result) {
  Json out = common_json(run);
  add_model(out, model);
  out["perplexity"] = result.perplexity;
  out["mean_nll"] = result.mean_nll;
  out["tokens"] = result.tokens;
  out["windows"] = result.windows;
  out["predictions"] = result.predictions;
  out["sequence_length"] = result.sequence_length;
  out["stride"] = result.stride;
  if (result.kl_divergence) out["kl_divergence"] = *result.kl_divergence;
  if (result.top1_agreement) out["top1_agreement"] = *result.top1_agreement;
  out["evaluate_seconds"] = result.seconds;
  return text_of(out);
}

std::string to_json(const RunInfo& run, const ModelSummary& model, const GenerateResult& result) {
  Json out = common_json(run);
  add_model(out, model);
  out["text"] = result.text;
  out["tokens"] = result.tokens;
  out["prompt_tokens"] = result.prompt_tokens;
  out["prefill_tokens_per_second"] = result.prefill_tokens_per_second;
  out["decode_tokens_per_second"] = result.decode_tokens_per_second;
  out["weight_bytes_per_second"] = result.weight_bytes_per_second;
  return text_of(out);
}

std::string to_json(const RunInfo& run, const FileSummary& summary) {
  Json out = common_json(run);
  out["path"] = summary.path;
  out["kind"] = summary.kind;
  out["method"] = summary.method.empty() ? Json(nullptr) : Json(summary.method);
  out["bits_per_weight"] = summary.bits_per_weight;
  out["adapter_bits_per_weight"] = summary.adapter_bits_per_weight;
  out["total_bytes"] = summary.total_bytes;
  out["options"] = embedded(summary.options_json);
  out["provenance"] = embedded(summary.provenance_json);
  out["report"] = embedded(summary.report_json);
  out["config"] = embedded(summary.config_json);
  out["side_files"] = summary.side_files;
  out["linears"] = Json::array();
  for (const LinearSummary& l : summary.linears) {
    out["linears"].push_back({{"name", l.name},
                              {"out_features", l.out_features},
                              {"in_features", l.in_features},
                              {"bits", l.bits},
                              {"group_size", l.group_size},
                              {"symmetric", l.symmetric},
                              {"rank", l.rank},
                              {"bytes", l.bytes},
                              {"adapter_bytes", l.adapter_bytes}});
  }
  out["dense_linears"] = summary.dense_linears;
  out["tensors"] = Json::array();
  for (const TensorSummary& t : summary.tensors)
    out["tensors"].push_back({{"name", t.name}, {"dtype", t.dtype}, {"shape", t.shape}, {"bytes", t.bytes}});
  return text_of(out);
}

std::string to_json(const RunInfo& run, const std::vector<std::string>& differences) {
  Json out = common_json(run);
  out["differences"] = differences;
  return text_of(out);
}

std::string to_json(const RunInfo& run, const std::vector<DeviceReport>& devices,
                    const std::vector<SelfTestRow>& self_test, const DeviceBenchmark* benchmark) {
  Json out = common_json(run);
  out["devices"] = Json::array();
  for (const DeviceReport& d : devices) {
    out["devices"].push_back(device_json(d.info));
    Json& paths = out["devices"].back()["fast_paths"] = Json::array();
    for (const FastPathReport& path : d.fast_paths) paths.push_back(path_json(path));
  }
  out["self_test"] = Json::array();
  for (const SelfTestRow& row : self_test) {
    out["self_test"].push_back({{"kernel", row.kernel},
                                {"detail", row.detail},
                                {"passed", row.passed},
                                {"error", row.error},
                                {"tolerance", row.tolerance},
                                {"message", row.message}});
  }
  out["benchmark"] = nullptr;
  if (benchmark) {
    out["benchmark"] = {{"read_gb_per_second", benchmark->read_gbps},
                        {"copy_gb_per_second", benchmark->copy_gbps},
                        {"upload_gb_per_second", benchmark->upload_gbps},
                        {"download_gb_per_second", benchmark->download_gbps},
                        {"multiply_add_gflop_per_second", benchmark->multiply_add_gflops},
                        {"matmul_gflop_per_second", benchmark->matmul_gflops}};
  }
  return text_of(out);
}

}  // namespace apiq
