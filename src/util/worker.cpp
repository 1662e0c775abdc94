#include "util/worker.hpp"

namespace apiq {

Worker::Worker() : thread_([this] { run(); }) {}

Worker::~Worker() {
  const std::lock_guard lock(mutex_);
  closing_ = true;
  changed_.notify_one();
}

std::shared_future<void> Worker::submit(std::function<void()> job) {
  std::packaged_task<void()> task(std::move(job));
  std::shared_future<void> done = task.get_future().share();
  const std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(task));
  changed_.notify_one();
  return done;
}

void Worker::run() {
  for (std::unique_lock lock(mutex_);;) {
    changed_.wait(lock, [this] { return closing_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    std::packaged_task<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = {};  // what the job holds is let go here, not under the lock
    lock.lock();
  }
}

}  // namespace apiq
