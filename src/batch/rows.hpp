// What the results of a job's steps say, as one row of the table.
#pragma once
#include "apiq/batch.hpp"

namespace apiq {

/// The row as the manifest alone gives it.
BatchRow planned_row(const Batch& batch, const BatchJob& job);

/// Adds what the step's result file says. A result that cannot be read or lacks what its program promises is
/// a FormatError.
void add_result(BatchRow& row, const Batch& batch, const BatchStep& step);

}  // namespace apiq
