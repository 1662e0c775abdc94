// A background thread that does what it is given, one after the other.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

namespace apiq {

class Worker {
 public:
  Worker();
  /// Does what is still queued, then ends the thread.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// The future holds what the job throws. Any thread; returns at once.
  std::shared_future<void> submit(std::function<void()> job);

 private:
  void run();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::packaged_task<void()>> jobs_;
  bool closing_ = false;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace apiq
