#include "runtime/opencl.hpp"

#include <string>

#include "apiq/error.hpp"

namespace apiq::runtime {

std::string_view error_name(cl_int code) {
  switch (code) {
#define APIQ_NAME(x) \
  case x: return #x
    APIQ_NAME(CL_SUCCESS);
    APIQ_NAME(CL_DEVICE_NOT_FOUND);
    APIQ_NAME(CL_DEVICE_NOT_AVAILABLE);
    APIQ_NAME(CL_COMPILER_NOT_AVAILABLE);
    APIQ_NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE);
    APIQ_NAME(CL_OUT_OF_RESOURCES);
    APIQ_NAME(CL_OUT_OF_HOST_MEMORY);
    APIQ_NAME(CL_PROFILING_INFO_NOT_AVAILABLE);
    APIQ_NAME(CL_MAP_FAILURE);
    APIQ_NAME(CL_BUILD_PROGRAM_FAILURE);
    APIQ_NAME(CL_INVALID_VALUE);
    APIQ_NAME(CL_INVALID_DEVICE);
    APIQ_NAME(CL_INVALID_CONTEXT);
    APIQ_NAME(CL_INVALID_COMMAND_QUEUE);
    APIQ_NAME(CL_INVALID_MEM_OBJECT);
    APIQ_NAME(CL_INVALID_BINARY);
    APIQ_NAME(CL_INVALID_BUILD_OPTIONS);
    APIQ_NAME(CL_INVALID_PROGRAM);
    APIQ_NAME(CL_INVALID_PROGRAM_EXECUTABLE);
    APIQ_NAME(CL_INVALID_KERNEL_NAME);
    APIQ_NAME(CL_INVALID_KERNEL);
    APIQ_NAME(CL_INVALID_ARG_INDEX);
    APIQ_NAME(CL_INVALID_ARG_VALUE);
    APIQ_NAME(CL_INVALID_ARG_SIZE);
    APIQ_NAME(CL_INVALID_KERNEL_ARGS);
    APIQ_NAME(CL_INVALID_WORK_DIMENSION);
    APIQ_NAME(CL_INVALID_WORK_GROUP_SIZE);
    APIQ_NAME(CL_INVALID_WORK_ITEM_SIZE);
    APIQ_NAME(CL_INVALID_GLOBAL_WORK_SIZE);
    APIQ_NAME(CL_INVALID_EVENT);
    APIQ_NAME(CL_INVALID_OPERATION);
    APIQ_NAME(CL_INVALID_BUFFER_SIZE);
#undef APIQ_NAME
    case -1001: return "CL_PLATFORM_NOT_FOUND_KHR";
    default: return "an unnamed OpenCL error";
  }
}

void check(cl_int code, std::string_view call) {
  if (code == CL_SUCCESS) return;
  throw DeviceError("[" + std::string(call) + "] failed with " + std::string(error_name(code)) + " (" +
                    std::to_string(code) + ")");
}

}  // namespace apiq::runtime
