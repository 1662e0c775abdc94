// Work shared between work-groups within one launch. The work is a list of phases, each a number of tasks;
// work-groups are one work-item, take tasks from a counter until there are none, and go on when all of the
// phase are done. A group waits only for tasks that running groups have taken, never for a group that has not
// started: any number of groups, in any order, even one after another, comes to an end.
//
// Every phase of a launch has counters of its own, zero at its start: a group may fall behind by any number
// of phases. Two sets take turns; a launch clears the set of the next one.
// What groups tell each other must not be const or restrict; each wait ends in an atomic operation.
typedef volatile global uint* Counters;

typedef struct {
  Counters taken, done;
  uint tasks, mine;
} Phase;

Phase begin_phase(Counters counters, uint number, uint tasks) {
  Phase phase;
  phase.taken = counters + (size_t)number * APIQ_DECODE_PHASE;
  phase.done = phase.taken + 1;
  phase.tasks = tasks;
  phase.mine = 0;
  return phase;
}

// The next task of this group; none are left when it is not below phase->tasks.
uint take_task(Phase* phase) {
  const uint task = atomic_inc(phase->taken);
  if (task < phase->tasks) ++phase->mine;
  return task;
}

// Hands in this group's tasks and waits for everybody's.
void end_phase(const Phase* phase) {
  mem_fence(CLK_GLOBAL_MEM_FENCE);
  if (phase->mine != 0) atomic_add(phase->done, phase->mine);
  while (*phase->done != phase->tasks) {
  }
  atomic_or(phase->done, 0u);
  mem_fence(CLK_GLOBAL_MEM_FENCE);
}
