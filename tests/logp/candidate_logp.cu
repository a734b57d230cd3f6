// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/logp/candidate_logp.cuh>
#include <prefer/logp/top_k_logp.cuh>
#include <prefer/logp/validate_logits.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>
#include <support/picked_call.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using prefer_test::check_picked_row;
using prefer_test::columns_by_size;
using prefer_test::compute_of;
using prefer_test::device;
using prefer_test::picked_memory;
using prefer_test::stream;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity(), not_a_number = std::numeric_limits<double>::quiet_NaN();

// A call's memory on the device.
template <class S>
struct on_device {
  picked_memory<S>& host;
  device<S> logits, gradient;
  device<std::int32_t> token;
  device<double> logp, by_logp, max, log_sum, by_log_sum_exp;

  explicit on_device(picked_memory<S>& c)
      : host(c),
        logits(c.logits.memory),
        gradient(c.gradient.memory),
        token(c.token.memory),
        logp(c.logp.memory),
        by_logp(c.by_logp.memory),
        max(c.max),
        log_sum(c.log_sum),
        by_log_sum_exp(c.by_log_sum_exp) {}

  template <class E>
  static view<E, 2, space::device> matrix(device<E>& d, const prefer_test::token_matrix<E>& shape) {
    return {d.data(), shape.m, shape.columns, shape.row, shape.stride};
  }
  view<S, 2, space::device> write(device<S>& d) { return matrix(d, host.logits); }
  candidate_logp_inputs<space::device> inputs() {
    return {.logits = write(logits),
            .candidates = matrix(token, host.token),
            .grad_logp = matrix(by_logp, host.by_logp),
            .grad_log_sum_exp = by_log_sum_exp.read()};
  }
  candidate_logp_outputs<space::device> outputs() {
    return {.logp = matrix(logp, host.logp),
            .max = max.view(),
            .log_sum = log_sum.view(),
            .grad_logits = write(gradient)};
  }
  candidate_logp_gradient_inputs<space::device> saved() {
    return {.logits = write(logits),
            .candidates = matrix(token, host.token),
            .max = max.read(),
            .log_sum = log_sum.read(),
            .grad_logp = matrix(by_logp, host.by_logp),
            .grad_log_sum_exp = by_log_sum_exp.read()};
  }
  top_k_logp_outputs<space::device> largest() {
    return {.logp = matrix(logp, host.logp),
            .index = matrix(token, host.token),
            .max = max.view(),
            .log_sum = log_sum.view()};
  }
  void fetch() { gradient.fetch(), token.fetch(), logp.fetch(), max.fetch(), log_sum.fetch(); }
};

// Candidates, the middle row with nothing but ignored ones; then the largest of the other rows and their gradient. All
// of it in place too.
template <class S>
void check_random(std::int64_t v, std::int64_t k, const token_softmax& options, std::int64_t gap = 0,
                  std::int64_t offset = 0, std::int64_t step = 1) {
  using T = compute_of<S>;
  stream s;
  const cuda exec{.stream = s.handle};
  picked_memory<S> c(3, v, k, gap, offset, step);
  c.fill(static_cast<std::uint64_t>(v + k));
  c.set_tokens(1, std::vector<std::int64_t>(static_cast<std::size_t>(k), -100));
  for (std::int64_t e = 0; e < v; ++e) c.logits.set(1, e, not_a_number);
  on_device<S> d(c);
  const auto check_rows = [&] {
    s.wait(), d.fetch();
    for (std::int64_t i : {0, 2}) check_picked_row(c, i, options, true);
    CHECK(c.intact());
  };
  const auto check_none = [&] {
    for (std::int64_t e = 0; e < v; ++e) CHECK(c.gradient.get(1, e) == 0);
    for (std::int64_t j = 0; j < k; ++j) CHECK(c.logp.get(1, j) == 0);
    CHECK((c.max.get(1) == 0 && c.log_sum.get(1) == 0));
  };
  REQUIRE(candidate_logp<T>(exec, options, d.inputs(), d.outputs()).ok());
  check_rows(), check_none();
  REQUIRE(candidate_logp_gradient<T>(exec, options, d.saved(), {.grad_logits = d.write(d.gradient)}).ok());
  check_rows(), check_none();
  if (k > v || k > 64) return;

  REQUIRE(top_k_logp<T>(exec, options, {.logits = d.write(d.logits)}, d.largest()).ok());
  s.wait(), d.fetch();
  for (std::int64_t i : {0, 2}) REQUIRE(c.tokens(i) == columns_by_size(c.logits.logits(i), k));
  for (std::int64_t j = 0; j < k; ++j) CHECK((c.token.at(1, j) == -1 && std::isnan(c.logp.get(1, j))));
  REQUIRE(candidate_logp_gradient<T>(exec, options, d.saved(), {.grad_logits = d.write(d.gradient)}).ok());
  check_rows();
  for (std::int64_t e = 0; e < v; ++e) CHECK(std::isnan(c.gradient.get(1, e)));
  REQUIRE(candidate_logp_gradient<T>(exec, options, d.saved(), {.grad_logits = d.write(d.logits)}).ok());
  s.wait(), d.logits.fetch();
  CHECK(c.logits.memory.bytes() == c.gradient.memory.bytes());
}

template <class S>
void check_sizes() {
  const token_softmax all = {.temperature = 0.7, .logit_scale = 0.3, .soft_cap = 5.0};
  for (std::int64_t v : {1, 2, 7, 33, 257, 1023, 1025, 2051}) {
    check_random<S>(v, v < 4 ? v : 4, {});
    if (v % 2 == 1) check_random<S>(v, v < 3 ? 1 : 3, all, 3, 1);
  }
  check_random<S>(70, 64, {}, 0, 3, 2);
  for (const char* name : {"candidate_logp", "top_k_logp"}) prefer_test::covers<S>(name, "sizes");
}

// What a call leaves in the report word.
template <class Call>
content_report reported(stream& s, Call call) {
  content_report report, *word = nullptr;
  REQUIRE(cudaMalloc(&word, sizeof report) == cudaSuccess);
  REQUIRE(cudaMemcpy(word, &report, sizeof report, cudaMemcpyHostToDevice) == cudaSuccess);
  REQUIRE(call(cuda{.stream = s.handle, .report = word}).ok());
  s.wait();
  REQUIRE(cudaMemcpy(&report, word, sizeof report, cudaMemcpyDeviceToHost) == cudaSuccess);
  cudaFree(word);
  return report;
}

}  // namespace

TEST_CASE("candidate_logp, top_k_logp on CUDA: rows of every length agree with the textbook, misaligned and in place") {
  SUBCASE("float") { check_sizes<float>(); }
  SUBCASE("double") { check_sizes<double>(); }
  SUBCASE("half") { check_sizes<half>(); }
  SUBCASE("bfloat16") { check_sizes<bfloat16>(); }
  for (const char* name : {"candidate_logp", "top_k_logp"}) prefer_test::covers(name, "masked");
}

TEST_CASE("candidate_logp on CUDA: hundreds of candidates, more than columns, as many as there may be") {
  check_random<float>(40, 128, {});
  check_random<float>(100, 300, {}, 1);
  check_random<bfloat16>(1100, 1024, {});
}

TEST_CASE("top_k_logp on CUDA: rows in order, against it and all alike, short and long") {
  stream s;
  for (std::int64_t v : {1000, 9000})
    for (std::int64_t k : {1, 64})
      for (int order : {1, -1, 0}) {
        picked_memory<float> c(1, v, k);
        for (std::int64_t e = 0; e < v; ++e) c.logits.set(0, e, 1e-3 * static_cast<double>(order * e));
        on_device<float> d(c);
        REQUIRE(top_k_logp<float>(cuda{.stream = s.handle}, {}, {.logits = d.write(d.logits)}, d.largest()).ok());
        s.wait(), d.fetch();
        INFO(v << " in order " << order);
        REQUIRE(c.tokens(0) == columns_by_size(c.logits.logits(0), k));
        c.k = 1;
        check_picked_row(c, 0, {}, false);
      }
}

TEST_CASE("candidate_logp, top_k_logp on CUDA: few long rows in chunks, many in blocks, any address: the same bits") {
  stream s;
  constexpr std::int64_t v = 33001, many = 256, k = 20;
  picked_memory<bfloat16> two(2, v, k, 7);
  two.fill(4);
  for (std::int64_t e = 0; e < v; e += 1000) two.logits.set(1, e, 12);
  two.logits.set(1, v - 1, 15);
  on_device<bfloat16> d(two);
  const std::size_t bytes = std::max(candidate_logp_workspace(2, v), top_k_logp_workspace(2, v));
  const prefer_test::device_workspace memory(bytes);
  const cuda exec{.stream = s.handle, .workspace = memory.get()};

  // Row 201 of many is the second of two; all others are ignored.
  picked_memory<bfloat16> big(many, v, k);
  for (std::int64_t i = 0; i < many; ++i) {
    big.set_tokens(i, i == 201 ? two.tokens(1) : std::vector<std::int64_t>(k, -100));
    for (std::int64_t j = 0; j < k; ++j) big.by_logp.set(i, j, two.by_logp.get(1, j));
    big.by_log_sum_exp.set(i, two.by_log_sum_exp.get(1));
  }
  for (std::int64_t e = 0; e < v; ++e) big.logits.at(201, e) = two.logits.at(1, e);
  on_device<bfloat16> b(big);

  prefer_test::enqueues_only("two rows", 2, [&] {
    REQUIRE(candidate_logp<float>(exec, {}, d.inputs(), d.outputs()).ok());
  });
  prefer_test::enqueues_only("many rows", 1, [&] {
    REQUIRE(candidate_logp<float>(cuda{.stream = s.handle}, {}, b.inputs(), b.outputs()).ok());
  });
  s.wait(), d.fetch(), b.fetch();
  for (std::int64_t i : {0, 1}) {
    two.k = 3;
    const auto by = two.by_logp;
    for (std::int64_t j = 3; j < k; ++j) two.by_logp.set(i, j, 0);
    check_picked_row(two, i, {}, false);
    two.k = k, two.by_logp = by;
  }
  CHECK(two.bits(1) == big.bits(201));

  // Of the largest the many rows are the listed one alone.
  prefer_test::enqueues_only("two rows, largest", 1, [&] {
    REQUIRE(top_k_logp<float>(exec, {}, {.logits = d.write(d.logits)}, d.largest()).ok());
  });
  s.wait(), d.fetch();
  for (std::int64_t i : {0, 1}) {
    REQUIRE(two.tokens(i) == columns_by_size(two.logits.logits(i), k));
    check_picked_row(two, i, {}, false);
  }
  prefer_test::buffer<std::int32_t> rows(many);  // 201 and rows that are not there
  for (std::int64_t i = 0; i < many; ++i) rows.at(i) = i == 0 ? 201 : many + 1;
  device<std::int32_t> listed(rows);
  prefer_test::enqueues_only("many rows, largest", 1, [&] {
    REQUIRE(top_k_logp<float>(cuda{.stream = s.handle}, {}, {.logits = b.write(b.logits), .rows = listed.read()},
                              b.largest())
                .ok());
  });
  s.wait(), b.fetch();
  CHECK(two.tokens(1) == big.tokens(0));
  for (std::int64_t j = 0; j < k; ++j) CHECK(two.logp.get(1, j) == big.logp.get(0, j));
  CHECK((two.log_sum.get(1) == big.log_sum.get(0) && big.token.at(1, 0) == -1 && std::isnan(big.logp.get(1, k - 1))));
  for (const char* name : {"candidate_logp", "top_k_logp"}) prefer_test::covers(name, "allocation");
}

TEST_CASE("candidate_logp on CUDA: a bad entry makes its row NaN and is reported, a bad row is left alone") {
  stream s;
  picked_memory<float> c(4, 300, 3);
  c.fill(8);
  c.set_tokens(2, {5, -100, 300});
  on_device<float> d(c);
  const content_report entry =
      reported(s, [&](const cuda& exec) { return candidate_logp<float>(exec, {}, d.inputs(), d.outputs()); });
  CHECK((entry.code() == errc::bad_index && entry.index() == 2));
  d.fetch();
  for (std::int64_t i = 0; i < 4; ++i) {
    CHECK((std::isnan(c.logp.get(i, 0)) == (i == 2) && std::isnan(c.log_sum.get(i)) == (i == 2)));
    CHECK(c.logp.get(i, 1) == 0);
    for (std::int64_t e = 0; e < 300; ++e) CHECK(std::isnan(c.gradient.get(i, e)) == (i == 2));
  }
  prefer_test::buffer<std::int32_t> rows(4);
  for (std::int64_t i = 0; i < 4; ++i) rows.at(i) = i == 3 ? 1 : static_cast<std::int32_t>(i);
  device<std::int32_t> listed(rows);
  c.set_tokens(2, {5, 5, 5});
  c.gradient = picked_memory<float>(4, 300, 3).gradient;
  d.token.send(), d.gradient.send();
  auto in = d.inputs();
  in.rows = listed.read();
  const content_report row =
      reported(s, [&](const cuda& exec) { return candidate_logp<float>(exec, {}, in, d.outputs()); });
  CHECK((row.code() == errc::bad_index && row.index() == 3));
  d.fetch();
  CHECK((std::isnan(c.logp.get(3, 0)) && c.logp.get(2, 0) < 0));
  picked_memory<float> fresh(4, 300, 3);
  CHECK(std::memcmp(&c.gradient.at(3, 0), &fresh.gradient.at(3, 0), 300 * sizeof(float)) == 0);
}

TEST_CASE("candidate_logp, top_k_logp on CUDA: NaN, infinity and rows of -inf stay alone; a certain row is certain") {
  stream s;
  const cuda exec{.stream = s.handle};
  for (std::int64_t v : {40, 1300}) {
    picked_memory<float> c(5, v, 3);
    c.fill(8);
    for (std::int64_t i = 0; i < 5; ++i) c.set_tokens(i, {v - 2, 0, v - 2}), c.set_weights(i, 1, 0.5);
    c.logits.set(1, v - 1, not_a_number);
    c.logits.set(2, v - 3, inf);
    for (std::int64_t e = 0; e < v; ++e) c.logits.set(3, e, e == v - 2 ? 2 : -inf), c.logits.set(4, e, -inf);
    on_device<float> d(c);
    REQUIRE(candidate_logp<float>(exec, {}, d.inputs(), d.outputs()).ok());
    s.wait(), d.fetch();
    const auto lost = [](std::int64_t i) { return i == 1 || i == 2 || i == 4; };
    for (std::int64_t i = 0; i < 5; ++i) {
      CHECK((std::isnan(c.logp.get(i, 0)) == lost(i) && std::isnan(c.log_sum.get(i)) == lost(i)));
      for (std::int64_t e = 0; e < v; ++e) CHECK(std::isnan(c.gradient.get(i, e)) == lost(i));
    }
    CHECK((c.logp.get(3, 2) == 0 && c.logp.get(3, 1) == -inf && c.gradient.get(3, v - 2) == 0.5 - 1));
    REQUIRE(top_k_logp<float>(exec, {}, {.logits = d.write(d.logits)}, d.largest()).ok());
    s.wait(), d.fetch();
    for (std::int64_t i = 0; i < 5; ++i)
      for (std::int64_t k = 0; k < 3; ++k)
        CHECK((std::isnan(c.logp.get(i, k)) == lost(i) && (c.token.at(i, k) == -1) == lost(i)));
    CHECK(c.tokens(3) == std::vector<std::int64_t>{v - 2, 0, 1});
    CHECK((c.logp.get(3, 0) == 0 && c.logp.get(3, 2) == -inf));
  }
  for (double gap : {20.0, 80.0}) {  // log p keeps its digits near p = 1, whichever thread sees what
    picked_memory<float> c(1, 3000, 2);
    for (std::int64_t e = 0; e < 3000; ++e) c.logits.set(0, e, e == 1500 ? gap : e == 2999 ? 0 : -200);
    on_device<float> d(c);
    REQUIRE(top_k_logp<float>(exec, {}, {.logits = d.write(d.logits)}, d.largest()).ok());
    s.wait(), d.fetch();
    CHECK(c.tokens(0) == std::vector<std::int64_t>{1500, 2999});
    CHECK(c.logp.get(0, 0) == doctest::Approx(-std::log1p(std::exp(-gap))).epsilon(1e-6));
  }
}

TEST_CASE("candidate_logp, top_k_logp on CUDA: replay from a graph with other logits; name what is wrong") {
  stream s;
  constexpr std::int64_t v = 16500;
  picked_memory<float> c(1, v, 3);
  c.fill(8);
  on_device<float> d(c);
  const prefer_test::device_workspace memory(top_k_logp_workspace(1, v));
  const cuda exec{.stream = s.handle, .workspace = memory.get()};
  const auto call = [&] {
    check(top_k_logp<float>(exec, {}, {.logits = d.write(d.logits)}, d.largest()));
    check(candidate_logp<float>(exec, {}, d.inputs(), d.outputs()));
  };
  const cudaGraphExec_t graph = prefer_test::capture(s.handle, call);
  for (std::int64_t at : {3, 16450}) {
    c.logits.set(0, at, 20);
    d.logits.send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait(), d.fetch();
    CHECK(c.tokens(0) == columns_by_size(c.logits.logits(0), 3));
    check_picked_row(c, 0, {}, true);
  }
  cudaGraphExecDestroy(graph);
  const prefer_test::device_workspace little(64);
  const cuda poor{.stream = s.handle, .workspace = little.get()};
  CHECK(candidate_logp<float>(poor, {}, d.inputs(), d.outputs()).code == errc::small_workspace);
  CHECK(top_k_logp<float>(poor, {}, {.logits = d.write(d.logits)}, d.largest()).code == errc::small_workspace);
  auto wrong = d.inputs();
  wrong.candidates.extent[0] = 2;
  CHECK(std::string(candidate_logp<float>(exec, {}, wrong, d.outputs()).argument) == "candidates");
  auto out = d.largest();
  out.index.extent[1] = out.logp.extent[1] = 65;
  CHECK(top_k_logp<float>(exec, {}, {.logits = d.write(d.logits)}, out).code == errc::bad_extent);
  for (const char* name : {"candidate_logp", "top_k_logp"})
    for (const char* tag : {"capture", "bad-argument"}) prefer_test::covers(name, tag);
}

TEST_CASE("validate of calls on rows of logits gives on CUDA the sentence of the CPU, whatever the part") {
  stream s;
  const cuda exec{.stream = s.handle};
  const std::int64_t v = (std::int64_t{1} << 20) + 1;  // three rows at a time
  picked_memory<bfloat16> c(8, v, 2);
  for (std::int64_t i = 0; i < c.logits.memory.size(); ++i) c.logits.memory.set(i, 0.5);
  for (std::int64_t i = 0; i < 8; ++i) c.set_tokens(i, {i, -100});
  c.set_tokens(2, {-100, -100});
  prefer_test::buffer<std::int64_t> target(8), rows(8);
  for (std::int64_t i = 0; i < 8; ++i) target.at(i) = i == 2 ? -100 : i, rows.at(i) = i;
  on_device<bfloat16> d(c);
  const auto same = [](const status& there, const status& here) {
    CHECK(std::string(message(there).c_str()) == message(here).c_str());
    return there;
  };
  const auto tokens = [&] {
    device<std::int64_t> t(target), r(rows);
    return same(validate_token_logp(exec, {}, {.logits = d.write(d.logits), .target = t.read(), .rows = r.read()}),
                validate_token_logp(cpu{}, {},
                                    {.logits = c.logits.read(), .target = target.read(), .rows = rows.read()}));
  };
  const auto candidates = [&] {
    d.token.send();
    return same(validate_candidate_logp(exec, {}, {.logits = d.write(d.logits), .candidates = d.inputs().candidates}),
                validate_candidate_logp(cpu{}, {}, {.logits = c.logits.read(), .candidates = c.token.read()}));
  };
  const auto largest = [&] {
    device<std::int64_t> r(rows);
    return same(validate_top_k_logp(exec, {}, {.logits = d.write(d.logits), .rows = r.read()}),
                validate_top_k_logp(cpu{}, {}, {.logits = c.logits.read(), .rows = rows.read()}));
  };
  c.logits.set(2, 7, not_a_number);  // of an ignored row
  d.logits.send();
  CHECK((tokens().ok() && candidates().ok() && largest().index == 2));
  target.at(6) = v, c.token.at(6, 0) = static_cast<std::int32_t>(v);
  CHECK((tokens().index == 6 && candidates().index == 6));
  CHECK(std::string(message(candidates()).c_str()).find("candidates[6] is 1048577") != std::string::npos);
  c.logits.set(5, v - 1, not_a_number);  // before it, in a later part
  d.logits.send();
  CHECK((tokens().code == errc::not_a_number && tokens().index == 5 && candidates().index == 5));
  rows.at(4) = 3;
  CHECK((tokens().code == errc::bad_index && tokens().index == 4 && largest().index == 2));
  CHECK(validate_top_k_logp(exec, {.temperature = 0.0}, {.logits = d.write(d.logits)}).code == errc::bad_parameter);
}
