// The only include of OpenCL in the project, and the check every call goes through.
#pragma once
#define CL_HPP_MINIMUM_OPENCL_VERSION 120
#define CL_HPP_TARGET_OPENCL_VERSION 120
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/opencl.hpp>

#include <string_view>

namespace apiq::runtime {

/// "CL_OUT_OF_RESOURCES" for -5, "an unnamed OpenCL error" for what the standard does not name.
std::string_view error_name(cl_int code);

/// Throws DeviceError naming the call and the code unless it succeeded.
void check(cl_int code, std::string_view call);

}  // namespace apiq::runtime
