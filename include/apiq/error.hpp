// Every error the library throws. One line of text: what, where, expected, found, what to do.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

namespace apiq {

/// Base of all errors; what() is one line for a person.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An option or argument outside what the function accepts.
class InvalidArgument : public Error {
 public:
  using Error::Error;
};

/// A tensor whose shape or dtype is not what the operation takes.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// The operating system refused a file operation; the text names the path.
class IoError : public Error {
 public:
  using Error::Error;
};

/// A file that was read but whose content is not valid; the text names path and key or tensor.
class FormatError : public Error {
 public:
  using Error::Error;
};

/// An OpenCL call failed; the text names the call and the error code's name.
class DeviceError : public Error {
 public:
  using Error::Error;
};

/// The device's compiler refused a kernel; the text names kernel, options and the log's first error.
class BuildError : public Error {
 public:
  BuildError(const std::string& message, std::string log) : Error(message), log_(std::move(log)) {}
  const std::string& log() const noexcept { return log_; }

 private:
  std::string log_;
};

/// A device allocation would pass the memory budget.
class OutOfDeviceMemory : public Error {
 public:
  using Error::Error;
};

/// Host memory that the program plans with would pass --host-memory, or the system has no more.
class OutOfHostMemory : public Error {
 public:
  using Error::Error;
};

/// Valid input that this program does not handle; the text says what is handled.
class Unsupported : public Error {
 public:
  using Error::Error;
};

/// The caller asked to stop (Ctrl-C); state that can be kept was kept.
class Interrupted : public Error {
 public:
  using Error::Error;
};

}  // namespace apiq
