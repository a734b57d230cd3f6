// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <reward/rewards.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("assignments are the best of all matchings: sizes, both goals, divisors, gradients, storage types") {
  each_storage([](auto s) { check_assignments<decltype(s), host_side>(); });
}

namespace {

struct answer {
  double reward;
  std::vector<int> column_of;
};
answer solve(const std::vector<double>& score, std::int64_t n, std::int64_t m, const assignment& rule = {}) {
  answer a{0, std::vector<int>(static_cast<std::size_t>(n))};
  check(assignments(cpu{}, rule, {.score = {score.data(), 1, n, m}},
                    {.column_of = {a.column_of.data(), 1, n}, .reward = {&a.reward, 1}}));
  return a;
}

}  // namespace

TEST_CASE("assignments: published examples, ties in order, pairs that must not be") {
  covers("assignment", "identity");
  CHECK(solve({0.6, 0.6}, 1, 2).reward == 0.6);  // one face for two references
  const auto faces = solve({0.9, 0.2, 0.6, 0.6}, 2, 2, {.over = assignment::divisor::columns});
  CHECK((faces.reward == 0.75 && faces.column_of == std::vector<int>{0, 1}));
  CHECK(solve(std::vector<double>(12, 0.5), 3, 4).column_of == std::vector<int>{0, 1, 2});
  CHECK(solve(std::vector<double>(12, -0.0), 4, 3).column_of == std::vector<int>{0, 1, 2, -1});
  const auto forbidden = solve({-1e30, 1, 2, -1e30}, 2, 2, {.partial = true});
  CHECK((forbidden.reward == 3 && forbidden.column_of == std::vector<int>{1, 0}));
  CHECK(solve({-1e30, -1e30, 2, 1}, 2, 2, {.partial = true}).column_of == std::vector<int>{-1, 0});
  CHECK(solve({0, 0}, 2, 1, {.partial = true}).column_of == std::vector<int>{-1, -1});  // 0 helps nobody
  CHECK(solve({1e300, -1e300, 1e300, -1e300}, 2, 2).reward == 0);
}

TEST_CASE("assignments of large problems: a hidden permutation is found, and duality holds it to be best") {
  for (const std::int64_t n : {64, 200}) {
    // score = u_i + v_j - penalty off the permutation: no sum is above that of the permutation.
    std::vector<double> score(static_cast<std::size_t>(n * n));
    noise random(12);
    double best = 0;
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        const double u = static_cast<double>(i * i % 17), v = static_cast<double>(j * j % 23);
        const bool right = j == (i * 7 + 3) % n;
        if (right) best += u + v;
        score[static_cast<std::size_t>(i * n + j)] = u + v - (right ? 0 : std::floor(random.uniform(0, 3)));
      }
    const auto a = solve(score, n, n);
    CHECK(a.reward == best);
  }
}

TEST_CASE("the gradient of an assignment is the finite difference of its reward") {
  const std::int64_t n = 6, m = 9;
  std::vector<double> score(54), gradient(54), up = {3};
  noise random(31);
  for (double& s : score) s = random.uniform(-1, 1);
  const assignment rule{.over = assignment::divisor::longer};
  check(assignments(cpu{}, rule, {.score = {score.data(), 1, n, m}, .upstream = {up.data(), 1}},
                    {.grad_score = {gradient.data(), 1, n, m}}));
  for (std::size_t e = 0; e < 54; ++e) {
    const double x = score[e], h = 1e-6;
    score[e] = x + h;
    const double above = solve(score, n, m, rule).reward;
    score[e] = x - h;
    const double slope = 3 * (above - solve(score, n, m, rule).reward) / (2 * h);
    score[e] = x;
    CHECK(std::fabs(gradient[e] - slope) < 1e-8);
  }
}

TEST_CASE("assignments: a problem with a NaN has no answer, and the others have theirs") {
  const double score[] = {1, 2, 3, not_a_number, 1, 2, 3, 4, -1.5e300, 1, 1, 1};  // at most 1e300
  double reward[3], gradient[12];
  int column_of[6], row_of[6];
  check(assignments(cpu{}, {}, {.score = {score, 3, 2, 2}},
                    {.column_of = {column_of, 3, 2},
                     .row_of = {row_of, 3, 2},
                     .reward = {reward, 3},
                     .grad_score = {gradient, 3, 2, 2}}));
  for (const int b : {0, 2}) {
    CHECK((std::isnan(reward[b]) && std::isnan(gradient[4 * b])));
    CHECK((column_of[2 * b] == -1 && column_of[2 * b + 1] == -1 && row_of[2 * b] == -1));
  }
  CHECK((reward[1] == 5 && gradient[5] == 1));
  CHECK((column_of[2] == 1 && column_of[3] == 0 && row_of[2] == 1 && row_of[3] == 0));  // of two best ones, always this
  const status s = assignments(cpu{.content = content::all}, {}, {.score = {score, 3, 2, 2}}, {.reward = {reward, 3}});
  CHECK((s.code == errc::not_a_number && s.index == 0));
}

TEST_CASE("assignments have the same bits for any threads, and allocate nothing") {
  const auto a = shares(64000);
  check_threads("assignment", 1000, [&](const cpu& exec, float* to) {
    return assignments(exec, {}, {.score = {a.data(), 1000, 8, 8}}, {.reward = {to, 1000}});
  });
}

TEST_CASE("assignments name what is wrong, and write nothing") {
  covers("assignment", "bad-argument");
  const double x[6] = {};
  const int sizes[] = {4}, negative[] = {-1};
  double to[6] = {7, 7, 7, 7, 7, 7};
  int columns[3] = {7, 7, 7};
  const auto refused = [&](const assignment_inputs<space::host>& in, const assignment_outputs<space::host>& out) {
    const status s = assignments(cpu{}, {}, in, out);
    for (const double v : to) CHECK(v == 7);
    return text_of(s);
  };
  const assignment_inputs<space::host> in{.score = {x, 1, 2, 3}};
  const assignment_outputs<space::host> out{.reward = {to, 1}};
  CHECK(refused({}, out) == "prefer: missing input: score: expected of every row with every column, [B, n, m]");
  CHECK(refused(in, {}) == "prefer: missing output: outputs: expected at least one output to write");
  CHECK(refused({.score = {x, 1, 2, 3}, .upstream = {x, 1}}, out) ==
        "prefer: unused input: upstream: expected to be left out, since no gradient is asked for");
  CHECK(refused({.score = {x, 1, 1025, 3}}, out) == "prefer: bad extent: score is 1025, expected rows: at most 1024");
  CHECK(refused({.score = {x, 1, 2, 1025}}, out) ==
        "prefer: bad extent: score is 1025, expected columns: at most 1024");
  const double* const nothing = nullptr;
  CHECK(refused({.score = {nothing, std::int64_t{1} << 58, 64, 64}}, out) ==  // 2^70 elements, not 0
        "prefer: null data: score: expected a pointer to its elements, but it is null");
  CHECK(refused({.score = {x, 1, -2, 3}}, out) == "prefer: bad extent: score is -2, expected at least 0");
  CHECK(refused({.score = {x, 1, 2, 3}, .rows = {sizes, 1}}, out) ==
        "prefer: bad index: rows[0] is 4, expected from 0 to the extent of the matrices");
  CHECK(refused({.score = {x, 1, 2, 3}, .columns = {negative, 1}}, out) ==
        "prefer: bad index: columns[0] is -1, expected from 0 to the extent of the matrices");
  CHECK(refused({.score = {x, 1, 2, 3}, .rows = {sizes, 2}}, out) ==
        "prefer: bad extent: rows is 2, expected one per matrix: 1");
  CHECK(refused({.score = {sizes, 1, 1, 1}}, out) ==
        "prefer: bad element type: score is int32, expected elements of type double, float, half or bfloat16");
  CHECK(refused(in, {.column_of = {columns, 1, 3}}) ==
        "prefer: bad extent: column_of is 3, expected as many elements per row as the others, 2");
  CHECK(refused(in, {.grad_score = {to, 1, 3, 2}}) ==
        "prefer: bad extent: grad_score is 2, expected the shape that the other arguments have: 3");
  CHECK(refused({.score = {to, 1, 2, 3}}, out) ==
        "prefer: overlap: reward: expected memory of its own, not shared with an input");
  CHECK(refused(in, {.reward = {to, 1}, .grad_score = {to, 1, 2, 3}}) ==
        "prefer: overlap: grad_score: expected memory of its own, not shared with another output");
  // Vouched for and wrong all the same: no pairs.
  check(assignments(cpu{.content = content::none}, {}, {.score = {x, 1, 2, 3}, .rows = {sizes, 1}}, out));
  CHECK(std::isnan(to[0]));
}
