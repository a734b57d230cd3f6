// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <support/singular_values.hpp>

#include <Eigen/SVD>

namespace prefer_test {

std::vector<double> singular_values(const std::vector<double>& matrix, std::int64_t m, std::int64_t n) {
  if (m == 0 || n == 0) return {};
  const Eigen::MatrixXd columns = Eigen::Map<const Eigen::MatrixXd>(matrix.data(), n, m);  // the transposed matrix
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(columns);
  const auto& s = svd.singularValues();
  return {s.data(), s.data() + s.size()};
}

}  // namespace prefer_test
