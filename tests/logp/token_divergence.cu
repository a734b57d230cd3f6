// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/logp/token_divergence.cuh>
#include <prefer/logp/validate_logits.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>
#include <support/divergence_call.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::compute_of;
using prefer_test::device;
using prefer_test::divergence_memory;
using prefer_test::divergence_row_is;
using prefer_test::divergence_truth;
using prefer_test::stream;
using prefer_test::token_matrix;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity(), not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr divergence_kind kinds[] = {divergence_kind::forward_kl, divergence_kind::reverse_kl,
                                     divergence_kind::jensen_shannon};

// A call's memory on the device.
template <class S>
struct on_device {
  divergence_memory<S>& host;
  device<S> p, q, grad_p, grad_q;
  device<double> value, p_max, p_log_sum, q_max, q_log_sum, to_p, to_q, upstream;
  device<bool> mask;

  explicit on_device(divergence_memory<S>& c)
      : host(c),
        p(c.p.memory),
        q(c.q.memory),
        grad_p(c.grad_p.memory),
        grad_q(c.grad_q.memory),
        value(c.value),
        p_max(c.p_max),
        p_log_sum(c.p_log_sum),
        q_max(c.q_max),
        q_log_sum(c.q_log_sum),
        to_p(c.to_p),
        to_q(c.to_q),
        upstream(c.upstream),
        mask(c.mask) {}

  static view<const S, 2, space::device> read(device<S>& d, const token_matrix<S>& m) {
    return {d.data(), m.m, m.columns, m.row, m.stride};
  }
  static view<S, 2, space::device> write(device<S>& d, const token_matrix<S>& m) {
    return {d.data(), m.m, m.columns, m.row, m.stride};
  }
  token_divergence_inputs<space::device> inputs() {
    return {.p_logits = read(p, host.p),
            .q_logits = read(q, host.q),
            .mask = mask.read(),
            .grad_divergence = upstream.read()};
  }
  token_divergence_outputs<space::device> outputs(const row_divergence& o) {
    token_divergence_outputs<space::device> out = {.divergence = value.view(),
                                                   .p_max = p_max.view(),
                                                   .p_log_sum = p_log_sum.view(),
                                                   .q_max = q_max.view(),
                                                   .q_log_sum = q_log_sum.view(),
                                                   .grad_p_logits = write(grad_p, host.grad_p),
                                                   .grad_q_logits = write(grad_q, host.grad_q)};
    if (o.mixes()) out.p_to_mixture = to_p.view(), out.q_to_mixture = to_q.view();
    return out;
  }
  token_divergence_gradient_inputs<space::device> saved(const row_divergence& o) {
    token_divergence_gradient_inputs<space::device> in = {.p_logits = read(p, host.p),
                                                          .q_logits = read(q, host.q),
                                                          .mask = mask.read(),
                                                          .p_max = p_max.read(),
                                                          .p_log_sum = p_log_sum.read(),
                                                          .q_max = q_max.read(),
                                                          .q_log_sum = q_log_sum.read(),
                                                          .grad_divergence = upstream.read()};
    if (o.mixes())
      in.p_to_mixture = to_p.read(), in.q_to_mixture = to_q.read();
    else
      in.divergence = value.read();
    return in;
  }
  token_divergence_gradient_outputs<space::device> gradients() {
    return {.grad_p_logits = write(grad_p, host.grad_p), .grad_q_logits = write(grad_q, host.grad_q)};
  }
  void fetch() {
    grad_p.fetch(), grad_q.fetch(), value.fetch(), p_max.fetch(), p_log_sum.fetch();
    q_max.fetch(), q_log_sum.fetch(), to_p.fetch(), to_q.fetch();
  }
};

// Three rows, the middle one masked and full of NaN: answers, and both ways to the gradients.
template <class S>
void check_random(std::int64_t v, const row_divergence& options, std::int64_t gap, std::int64_t offset,
                  std::int64_t step = 1) {
  using T = compute_of<S>;
  stream s;
  divergence_memory<S> c(3, v, gap, offset, step);
  prefer_test::noise random(static_cast<std::uint64_t>(v));
  c.p.fill(random, -6, 6), c.q.fill(random, -6, 6);
  for (std::int64_t i = 0; i < 3; ++i) c.upstream.set(i, random.uniform(-2, 2));
  if (v > 3) c.p.set(0, v / 2, -inf), c.p.set(2, v - 1, -inf), c.q.set(2, v - 1, -inf);
  c.mask.at(1) = false;
  for (std::int64_t e = 0; e < v; ++e) c.p.set(1, e, not_a_number), c.q.set(1, e, not_a_number);
  const divergence_truth first = c.truth(0, options), last = c.truth(2, options);
  on_device<S> d(c);
  const prefer_test::device_workspace memory(token_divergence_workspace(3, v));
  const cuda exec{.stream = s.handle, .workspace = memory.get()};
  const auto check_rows = [&](long double saved) {
    s.wait(), d.fetch();
    INFO("V = " << v << ", kind " << static_cast<int>(options.kind));
    CHECK(divergence_row_is<T>(c, 0, first, options.mixes(), saved));
    CHECK(divergence_row_is<T>(c, 2, last, options.mixes(), saved));
    for (std::int64_t e = 0; e < v; ++e) CHECK((c.grad_p.get(1, e) == 0 && c.grad_q.get(1, e) == 0));
    CHECK((c.value.get(1) == 0 && c.p_max.get(1) == 0 && c.p_log_sum.get(1) == 0));
    CHECK(c.intact());
  };
  prefer_test::enqueues_only("divergence", 3,
                             [&] { REQUIRE(token_divergence<T>(exec, options, d.inputs(), d.outputs(options)).ok()); });
  check_rows(0);
  prefer_test::enqueues_only("gradient", 1, [&] {
    REQUIRE(token_divergence_gradient<T>(exec, options, d.saved(options), d.gradients()).ok());
  });
  check_rows(prefer_test::saved_statistics);
}

template <class S>
void check_sizes() {
  for (divergence_kind kind : kinds)
    for (std::int64_t v : {1, 8, 33, 257, 1025})
      check_random<S>(v, {.kind = kind, .beta = 0.25, .temperature = 0.75}, v % 3, v % 2);
  check_random<S>(100, {.kind = divergence_kind::jensen_shannon}, 0, 0, 2);
  prefer_test::covers<S>("token_divergence", "sizes");
  for (const char* tag : {"masked", "allocation"}) prefer_test::covers("token_divergence", tag);
}

}  // namespace

TEST_CASE("token_divergence on CUDA: rows of every length agree with the textbook, in three launches and in one") {
  SUBCASE("float") { check_sizes<float>(); }
  SUBCASE("double") { check_sizes<double>(); }
  SUBCASE("half") { check_sizes<half>(); }
  SUBCASE("bfloat16") { check_sizes<bfloat16>(); }
}

TEST_CASE("token_divergence on CUDA: few long rows in chunks, many in blocks, at any address: the same bits") {
  stream s;
  constexpr std::int64_t v = 17001, many = 256;
  const row_divergence options = {.kind = divergence_kind::reverse_kl};
  divergence_memory<bfloat16> one(1, v, 7), big(many, v);
  prefer_test::noise random(4);
  one.p.fill(random, -9, 9), one.q.fill(random, -9, 9);
  for (std::int64_t i = 0; i < many; ++i) big.mask.at(i) = i == 201;
  for (std::int64_t e = 0; e < v; ++e) big.p.at(201, e) = one.p.at(0, e), big.q.at(201, e) = one.q.at(0, e);
  on_device<bfloat16> d(one), b(big);
  REQUIRE(token_divergence<float>(cuda{.stream = s.handle}, options, d.inputs(), d.outputs(options)).ok());
  REQUIRE(token_divergence<float>(cuda{.stream = s.handle}, options, b.inputs(), b.outputs(options)).ok());
  s.wait(), d.fetch(), b.fetch();
  CHECK(divergence_row_is<float>(one, 0, one.truth(0, options), false));
  CHECK((big.value.get(201) == one.value.get(0) && big.q_log_sum.get(201) == one.q_log_sum.get(0)));
  CHECK(std::memcmp(&big.grad_p.at(201, 0), &one.grad_p.at(0, 0), static_cast<std::size_t>(v) * 2) == 0);
  CHECK(std::memcmp(&big.grad_q.at(201, 0), &one.grad_q.at(0, 0), static_cast<std::size_t>(v) * 2) == 0);
}

TEST_CASE(
    "token_divergence on CUDA: statistics that are not asked for lie in the workspace, or in memory in stream order") {
  stream s;
  constexpr std::int64_t m = 3, v = 17001;  // rows in chunks, which need a workspace too
  for (divergence_kind kind : {divergence_kind::reverse_kl, divergence_kind::jensen_shannon}) {
    const row_divergence options = {.kind = kind};
    divergence_memory<bfloat16> c(m, v), bare(m, v), own(m, v);
    prefer_test::noise random(4);
    c.p.fill(random, -9, 9), c.q.fill(random, -9, 9);
    bare.p = own.p = c.p, bare.q = own.q = c.q;
    on_device<bfloat16> d(c), b(bare), w(own);
    const auto gradients = [&](on_device<bfloat16>& x) {
      token_divergence_outputs<space::device> out = x.outputs(options);
      out.divergence = out.p_max = out.p_log_sum = out.q_max = out.q_log_sum = out.p_to_mixture = out.q_to_mixture = {};
      return out;
    };
    const prefer_test::device_workspace memory(token_divergence_workspace(m, v));
    const cuda lent{.stream = s.handle, .workspace = memory.get()};
    check(token_divergence<float>(cuda{.stream = s.handle}, options, d.inputs(), d.outputs(options)));
    check(token_divergence<float>(cuda{.stream = s.handle}, options, b.inputs(), gradients(b)));
    prefer_test::enqueues_only("gradients alone", 3,
                               [&] { REQUIRE(token_divergence<float>(lent, options, w.inputs(), gradients(w)).ok()); });
    s.wait(), d.fetch(), b.fetch(), w.fetch();
    CHECK((bare.value.untouched() && bare.p_log_sum.untouched() && own.q_max.untouched()));
    const auto alike = [](auto& x, auto& y) { return std::memcmp(&x.at(0, 0), &y.at(0, 0), m * v * 2) == 0; };
    CHECK((alike(bare.grad_p, c.grad_p) && alike(bare.grad_q, c.grad_q)));
    CHECK((alike(own.grad_p, c.grad_p) && alike(own.grad_q, c.grad_q)));
  }
}

TEST_CASE("token_divergence on CUDA: near rows keep digits, offsets change nothing, tokens of one side are defined") {
  stream s;
  constexpr std::int64_t v = 600;
  divergence_memory<float> c(5, v);
  prefer_test::noise random(6);
  for (std::int64_t i = 0; i < 5; ++i)
    for (std::int64_t e = 0; e < v; ++e) {
      c.p.set(i, e, std::round(8 * random.uniform(-4, 4)) / 8);
      c.q.set(i, e,
              i == 0   ? c.p.get(i, e) + random.uniform(-1e-4, 1e-4)
              : i == 1 ? c.p.get(i, e) + 1e6
                       : random.uniform(-3, 3));
    }
  c.q.set(2, 5, -inf), c.p.set(3, 7, not_a_number);
  on_device<float> d(c);
  REQUIRE(token_divergence<float>(cuda{.stream = s.handle}, {}, d.inputs(), d.outputs({})).ok());
  s.wait(), d.fetch();
  const divergence_truth near = c.truth(0, {});
  CHECK(std::fabs(c.value.get(0) - near.value) <= 1e-5L * near.value);
  for (std::size_t e = 0; e < v; ++e)
    CHECK(std::fabs(c.grad_q.get(0, static_cast<std::int64_t>(e)) - near.by_q[e]) <= 1e-4L * near.size_q[e]);
  CHECK((c.value.get(1) >= 0 && c.value.get(1) < 1e-20));
  CHECK((c.value.get(2) == inf && c.grad_p.get(2, 5) == 0 && c.grad_q.get(2, 5) < 0 && c.grad_q.get(2, 6) > 0));
  CHECK((std::isnan(c.value.get(3)) && std::isnan(c.grad_p.get(3, 0)) && std::isnan(c.grad_q.get(3, v - 1))));
  CHECK(divergence_row_is<float>(c, 4, c.truth(4, {}), false));
}

TEST_CASE("token_divergence on CUDA: a row that does not ascend is NaN, reported and not touched") {
  stream s;
  divergence_memory<float> c(4, 300), part(3, 1);
  prefer_test::noise random(8);
  c.p.fill(random, -3, 3), c.q.fill(random, -3, 3);
  on_device<float> d(c), answers(part);
  buffer<std::int32_t> rows(3);
  rows.at(0) = 1, rows.at(1) = 3, rows.at(2) = 3;
  device<std::int32_t> drows(rows);
  content_report report, *word = nullptr;
  REQUIRE(cudaMalloc(&word, sizeof report) == cudaSuccess);
  REQUIRE(cudaMemcpy(word, &report, sizeof report, cudaMemcpyHostToDevice) == cudaSuccess);
  auto in = d.inputs();
  auto out = answers.outputs({});
  in.rows = drows.read(), in.mask = answers.mask.read(), in.grad_divergence = answers.upstream.read();
  out.grad_p_logits = d.gradients().grad_p_logits, out.grad_q_logits = d.gradients().grad_q_logits;
  REQUIRE(token_divergence<float>(cuda{.stream = s.handle, .report = word}, {}, in, out).ok());
  s.wait(), d.fetch(), answers.fetch();
  REQUIRE(cudaMemcpy(&report, word, sizeof report, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK((report.code() == errc::bad_index && report.index() == 2));
  CHECK(part.value.get(1) == doctest::Approx(static_cast<double>(c.truth(3, {}).value)).epsilon(1e-5));
  CHECK((std::isnan(part.value.get(2)) && std::isnan(part.p_log_sum.get(2))));
  divergence_memory<float> untouched(4, 300);
  for (std::int64_t i : {0, 2}) CHECK(std::memcmp(&c.grad_p.at(i, 0), &untouched.grad_p.at(i, 0), 1200) == 0);
  CHECK(std::isfinite(c.grad_q.get(3, 0)));
  cudaFree(word);
}

TEST_CASE("token_divergence on CUDA: replays from a graph with other logits and options; names what is wrong") {
  stream s;
  constexpr std::int64_t v = 16500;
  divergence_memory<float> c(1, v);
  prefer_test::noise random(8);
  c.p.fill(random, -3, 3), c.q.fill(random, -3, 3);
  on_device<float> d(c);
  buffer<double> numbers(2);
  numbers.set(0, 0.5), numbers.set(1, 1);
  device<double> dnumbers(numbers);
  const double* const at = dnumbers.data();
  const row_divergence options = {.kind = divergence_kind::jensen_shannon, .beta = at, .temperature = at + 1};
  const prefer_test::device_workspace memory(token_divergence_workspace(1, v));
  const cuda exec{.stream = s.handle, .workspace = memory.get()};
  const auto in = d.inputs();
  const auto out = d.outputs(options);
  const cudaGraphExec_t graph =
      prefer_test::capture(s.handle, [&] { check(token_divergence<float>(exec, options, in, out)); });
  for (double t : {1.0, 2.0}) {
    numbers.set(0, 0.25 * t), numbers.set(1, t), c.p.set(0, 3, 3 * t);
    dnumbers.send(), d.p.send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait(), d.fetch();
    const row_divergence now = {.kind = divergence_kind::jensen_shannon, .beta = 0.25 * t, .temperature = t};
    CHECK(divergence_row_is<float>(c, 0, c.truth(0, now), true));
  }
  cudaGraphExecDestroy(graph);
  const prefer_test::device_workspace little(64);
  CHECK(token_divergence<float>(cuda{.stream = s.handle, .workspace = little.get()}, options, in, out).code ==
        errc::small_workspace);
  CHECK(token_divergence<float>(cuda{.stream = s.handle, .workspace = little.get()}, options, in,
                                {.grad_q_logits = out.grad_q_logits})
            .code == errc::small_workspace);
  auto wrong = in;
  wrong.mask.extent[0] = 2;
  const status st = token_divergence<float>(exec, options, wrong, out);
  CHECK(st.code == errc::bad_extent);
  CHECK(std::string(st.argument) == "mask");
  for (const char* tag : {"capture", "bad-argument"}) prefer_test::covers("token_divergence", tag);
}

TEST_CASE("validate_token_divergence on CUDA gives the sentence of the CPU") {
  stream s;
  const cuda exec{.stream = s.handle};
  divergence_memory<half> c(6, 40);
  prefer_test::noise random(9);
  c.p.fill(random, -3, 3), c.q.fill(random, -3, 3);
  on_device<half> d(c);
  const auto found = [&] {
    d.p.send(), d.q.send(), d.mask.send();
    const status there = validate_token_divergence(exec, {}, d.inputs());
    CHECK(std::string(message(there).c_str()) == message(validate_token_divergence(cpu{}, {}, c.inputs())).c_str());
    return there;
  };
  CHECK(found().ok());
  c.q.set(1, 39, not_a_number), c.mask.at(1) = false;
  CHECK(found().ok());
  c.p.set(5, 0, not_a_number);
  CHECK((found().index == 5 && std::string(found().argument) == "p_logits"));
  c.q.set(4, 7, not_a_number);
  CHECK((found().index == 4 && std::string(found().argument) == "q_logits"));
}
