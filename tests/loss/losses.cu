// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/evaluate_tokens.cuh>
#include <prefer/loss/bradley_terry.cuh>
#include <prefer/loss/combine.cuh>
#include <prefer/loss/dpo.cuh>
#include <support/cuda.cuh>
#include <support/loss_suite.cuh>
#include <support/losses.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::device;
using prefer_test::noise;
using prefer_test::storage;
using prefer_test::stream;

namespace {

struct golden_row {
  long double difference, label, margin, smoothing, value, slope, scale;
};
const golden_row golden[] = {
#include <golden_dpo.inc>
};
struct reward_row {
  long double chosen, label, margin, smoothing, centering, value, d_chosen, scale_chosen, d_rejected, scale_rejected;
};
const reward_row golden_bradley_terry[] = {
#include <golden_bradley_terry.inc>
};
struct tie_row {
  long double chosen, parameter, tie, value, slope, scale, d_parameter, scale_parameter;
};
const tie_row golden_rao_kupper[] = {
#include <golden_rao_kupper.inc>
};
const tie_row golden_davidson[] = {
#include <golden_davidson.inc>
};

// n pairs on host and device.
template <class S>
struct pairs {
  std::int64_t n;
  buffer<S> x[4], label, weight, grad[2], losses;
  buffer<bool> mask;
  buffer<double> loss{1}, count{1};
  device<S> dx0, dx1, dx2, dx3, dlabel, dweight, dgrad0, dgrad1, dlosses;
  device<bool> dmask;
  device<double> dloss, dcount;

  explicit pairs(std::int64_t items, std::int64_t stride = 1, std::int64_t offset = 0)
      : n(items),
        x{buffer<S>(n, stride, offset), buffer<S>(n, stride, offset), buffer<S>(n, stride, offset),
          buffer<S>(n, stride, offset)},
        label(n, stride, offset),
        weight(n, stride, offset),
        grad{buffer<S>(n, stride, offset), buffer<S>(n, stride, offset)},
        losses(n, stride, offset),
        mask(n, stride, offset),
        dx0(x[0]),
        dx1(x[1]),
        dx2(x[2]),
        dx3(x[3]),
        dlabel(label),
        dweight(weight),
        dgrad0(grad[0]),
        dgrad1(grad[1]),
        dlosses(losses),
        dmask(mask),
        dloss(loss),
        dcount(count) {
    noise random(6);
    for (std::int64_t i = 0; i < n; ++i) {
      for (auto& b : x) b.set(i, random.uniform(-40, 0));
      label.set(i, random.uniform(0, 1)), weight.set(i, random.uniform(-2, 2)), mask.at(i) = random.uniform(0, 1) < 0.7;
    }
    send();
  }
  void send() { dx0.send(), dx1.send(), dx2.send(), dx3.send(), dlabel.send(), dweight.send(), dmask.send(); }
  void fetch() { dgrad0.fetch(), dgrad1.fetch(), dlosses.fetch(), dloss.fetch(), dcount.fetch(), dx0.fetch(); }
  bool intact() {
    return x[0].intact() && grad[0].intact() && grad[1].intact() && losses.intact() && loss.intact() && count.intact();
  }
  pair_inputs<space::device> inputs() {
    return {.policy_chosen = dx0.read(),
            .policy_rejected = dx1.read(),
            .reference_chosen = dx2.read(),
            .reference_rejected = dx3.read()};
  }
  pair_inputs<space::device> all_inputs() {
    auto in = inputs();
    in.label = dlabel.read(), in.weight = dweight.read(), in.mask = dmask.read();
    return in;
  }
  pair_outputs<space::device> outputs() {
    return {.loss = dloss.view(),
            .grad_policy_chosen = dgrad0.view(),
            .grad_policy_rejected = dgrad1.view(),
            .losses = dlosses.view(),
            .count = dcount.view()};
  }
  pair_inputs<space::host> host_inputs() {
    return {.policy_chosen = x[0].read(),
            .policy_rejected = x[1].read(),
            .reference_chosen = x[2].read(),
            .reference_rejected = x[3].read(),
            .label = label.read(),
            .weight = weight.read(),
            .mask = mask.read()};
  }
};

template <class Compute, class S>
void check_golden() {
  stream s;
  for (double smoothing : {0.0, 0.125}) {
    std::vector<const golden_row*> rows;
    for (const golden_row& g : golden)
      if (static_cast<double>(g.smoothing) == smoothing) rows.push_back(&g);
    pairs<S> p(static_cast<std::int64_t>(rows.size()));
    buffer<S> margin(p.n);
    for (std::int64_t i = 0; i < p.n; ++i) {
      const golden_row& g = *rows[static_cast<std::size_t>(i)];
      p.x[0].set(i, static_cast<double>(g.difference)), p.x[1].set(i, -5), p.x[2].set(i, -3), p.x[3].set(i, -8);
      p.label.set(i, static_cast<double>(g.label)), margin.set(i, static_cast<double>(g.margin));
    }
    p.send();
    device<S> dmargin(margin);
    auto in = p.inputs();
    in.label = p.dlabel.read(), in.margin = dmargin.read(), in.normalizer = 1.0;
    check(evaluate<Compute>(cuda{s.handle}, dpo{.beta = 0.125, .label_smoothing = smoothing}, in, p.outputs()));
    s.wait();
    p.fetch();
    for (std::int64_t i = 0; i < p.n; ++i) {
      const golden_row& g = *rows[static_cast<std::size_t>(i)];
      const auto bound = [](long double exact, long double scale) {
        return 5 * std::max(std::ldexp(1.0L, 1 - storage<Compute>::digits) * scale,
                            std::ldexp(1.0L, storage<Compute>::least_exponent)) +
               std::max(std::ldexp(std::fabs(exact), 1 - storage<S>::digits),
                        std::ldexp(1.0L, storage<S>::least_exponent));
      };
      CHECK(std::fabs(static_cast<long double>(p.grad[0].get(i)) - g.slope) <= bound(g.slope, g.scale));
      CHECK(std::fabs(static_cast<long double>(p.losses.get(i)) - g.value) <= bound(g.value, g.value));
    }
    CHECK(p.intact());
  }
  prefer_test::covers<S>("dpo", "golden"), prefer_test::covers<S>("dpo", "tails");
}

template <class Loss>
void check_ties(const tie_row* first, const tie_row* last, Loss (*make)(double)) {
  stream s;
  for (const tie_row* g = first; g != last; g += 3) {
    buffer<double> chosen(1), rejected(1), tie(1), value(1), slope(1), parameter(1);
    chosen.set(0, static_cast<double>(g->chosen)), rejected.set(0, 1), tie.set(0, static_cast<double>(g->tie));
    device<double> dc(chosen), dr(rejected), dt(tie), dv(value), ds(slope), dp(parameter);
    check(evaluate<double>(cuda{s.handle}, make(static_cast<double>(g->parameter)),
                           {.chosen = dc.read(), .rejected = dr.read(), .tie = dt.read()},
                           {.grad_chosen = ds.view(), .losses = dv.view(), .grad_tie_parameter = dp.view()}));
    s.wait();
    dv.fetch(), ds.fetch(), dp.fetch();
    const auto near = [](double x, long double exact, long double scale) {
      CHECK(std::fabs(static_cast<long double>(x) - exact) <= std::max(30 * 0x1p-52L * scale, std::ldexp(1.0L, -1074)));
    };
    near(value.get(0), g->value, g->value), near(slope.get(0), g->slope, g->scale),
        near(parameter.get(0), g->d_parameter, g->scale_parameter);
  }
}

}  // namespace

TEST_CASE("golden values and gradients on CUDA, every storage type") {
  check_golden<float, float>();
  check_golden<double, double>();
  check_golden<float, half>();
  check_golden<float, bfloat16>();
}

TEST_CASE("Bradley-Terry on CUDA: golden values and gradients") {
  stream s;
  for (const reward_row& g : golden_bradley_terry) {
    buffer<double> x(4), value(1), slope(2);
    const long double row[] = {g.chosen, 1, g.label, g.margin};
    for (int i = 0; i < 4; ++i) x.set(i, static_cast<double>(row[i]));
    device<double> dx(x), dv(value), ds(slope);
    const double* p = dx.data();
    check(evaluate<double>(cuda{s.handle},
                           bradley_terry{.label_smoothing = static_cast<double>(g.smoothing),
                                         .centering = static_cast<double>(g.centering)},
                           {.chosen = {p, 1}, .rejected = {p + 1, 1}, .label = {p + 2, 1}, .margin = {p + 3, 1}},
                           {.grad_chosen = {ds.data(), 1}, .grad_rejected = {ds.data() + 1, 1}, .losses = dv.view()}));
    s.wait();
    dv.fetch(), ds.fetch();
    const auto near = [](double got, long double exact, long double scale) {
      CHECK(std::fabs(static_cast<long double>(got) - exact) <=
            std::max(5 * 0x1p-52L * scale, std::ldexp(1.0L, -1074)));
    };
    near(value.get(0), g.value, g.value), near(slope.get(0), g.d_chosen, g.scale_chosen),
        near(slope.get(1), g.d_rejected, g.scale_rejected);
  }
  for (const char* tag : {"golden", "tails"}) prefer_test::covers<double>("bradley_terry", tag);
}

TEST_CASE("tie models on CUDA: golden values and derivatives") {
  check_ties<rao_kupper>(std::begin(golden_rao_kupper), std::end(golden_rao_kupper),
                         [](double x) { return rao_kupper{.eta = x}; });
  for (const char* name : {"rao_kupper", "davidson"})
    for (const char* tag : {"golden", "tails"}) prefer_test::covers<double>(name, tag);
  check_ties<davidson>(std::begin(golden_davidson), std::end(golden_davidson),
                       [](double x) { return davidson{.log_nu = x}; });
}

TEST_CASE("the losses keep on CUDA what every loss promises") {
  SUBCASE("dpo") { prefer_test::loss_suite_on_cuda("dpo", dpo{.beta = 0.1, .label_smoothing = 0.05}); }
  SUBCASE("bradley_terry") {
    prefer_test::loss_suite_on_cuda("bradley_terry", bradley_terry{.label_smoothing = 0.05, .centering = 0.01});
  }
  SUBCASE("rao_kupper") { prefer_test::loss_suite_on_cuda("rao_kupper", rao_kupper{.eta = 0.4}); }
  SUBCASE("davidson") { prefer_test::loss_suite_on_cuda("davidson", davidson{.log_nu = 0.3}); }
}

TEST_CASE("parameters by pointer are read at replay") {
  stream s;
  pairs<double> p(500), q(500);
  buffer<double> beta(1), divisor(1);
  beta.set(0, 0.1), divisor.set(0, 500);
  device<double> dbeta(beta), ddivisor(divisor);
  const prefer_test::device_workspace memory(evaluate_workspace(dpo{}, 500));
  auto in = p.inputs();
  in.normalizer = static_cast<const double*>(ddivisor.data());
  const cudaGraphExec_t graph = prefer_test::capture(s.handle, [&] {
    check(evaluate<double>(cuda{.stream = s.handle, .workspace = memory.get()},
                           dpo{.beta = static_cast<const double*>(dbeta.data())}, in, p.outputs()));
  });
  for (double b : {0.1, 0.9}) {
    beta.set(0, b), divisor.set(0, 1000 * b);
    dbeta.send(), ddivisor.send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    p.fetch();
    auto again = q.inputs();
    again.normalizer = 1000 * b;
    check(evaluate<double>(cuda{s.handle}, dpo{.beta = b}, again, q.outputs()));
    s.wait();
    q.fetch();
    CHECK(p.grad[0].bytes() == q.grad[0].bytes());
    CHECK(p.loss.bytes() == q.loss.bytes());
  }
  cudaGraphExecDestroy(graph);
}

TEST_CASE("workspace: too small is an error, none while capturing is an error") {
  stream s;
  pairs<float> p(100);
  const prefer_test::device_workspace memory(64);
  const status small =
      evaluate<float>(cuda{.stream = s.handle, .workspace = memory.get()}, dpo{}, p.inputs(), p.outputs());
  CHECK(small.code == errc::small_workspace);
  CHECK(small.limit == static_cast<double>(evaluate_workspace(dpo{}, 100)));
  status captured;
  REQUIRE(cudaStreamBeginCapture(s.handle, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  captured = evaluate<float>(cuda{s.handle}, dpo{}, p.inputs(), p.outputs());
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaStreamEndCapture(s.handle, &graph) == cudaSuccess);
  cudaGraphDestroy(graph);
  CHECK(captured.code == errc::capture_needs_workspace);
}

TEST_CASE("a label outside [0, 1] makes its item NaN and is reported; the others are unharmed") {
  stream s;
  pairs<float> p(1500);
  for (std::int64_t i = 0; i < 1500; ++i) p.mask.at(i) = true;
  p.label.set(700, 1.5), p.label.set(1200, -1);
  p.send();
  buffer<unsigned char> word(sizeof(content_report));
  for (std::size_t i = 0; i < sizeof(content_report); ++i) word.data()[i] = 0xff;
  device<unsigned char> report(word);
  check(evaluate<float>(cuda{.stream = s.handle, .report = reinterpret_cast<content_report*>(report.data())}, dpo{},
                        p.all_inputs(), p.outputs()));
  s.wait();
  p.fetch(), report.fetch();
  content_report got;
  std::memcpy(&got, word.data(), sizeof got);
  CHECK(got.code() == errc::bad_label);
  CHECK(got.index() == 700);
  for (std::int64_t i = 0; i < 1500; ++i) CHECK(std::isnan(p.losses.get(i)) == (i == 700 || i == 1200));
}

TEST_CASE("accumulation, composition and a user's own loss on CUDA") {
  stream s;
  pairs<double> p(200), q(200);
  const auto loss = combine(0.5, dpo{}, 2.0, prefer_test::hinge{1.0});
  check(evaluate<double>(cuda{s.handle}, loss, p.inputs(), p.outputs()));
  check(evaluate<double>(cuda{s.handle}, combine(0.5, dpo{}), q.inputs(), q.outputs()));
  auto rest = q.inputs();
  rest.reference_chosen = rest.reference_rejected = {};
  auto out = q.outputs();
  out.accumulate = true;
  check(evaluate<double>(cuda{s.handle}, combine(2.0, prefer_test::hinge{1.0}), rest, out));
  s.wait();
  p.fetch(), q.fetch();
  for (std::int64_t i = 0; i < 200; ++i) CHECK(p.grad[0].get(i) == doctest::Approx(q.grad[0].get(i)).epsilon(1e-14));
  CHECK(p.loss.get(0) == doctest::Approx(q.loss.get(0)).epsilon(1e-14));
}

TEST_CASE("tokens on CUDA: loss and gradients as on the CPU, pairs longer than a block, bad offsets reported") {
  stream s;
  constexpr std::int64_t n = 9;
  buffer<std::int32_t> offsets(n + 1);
  for (std::int64_t i = 0; i <= n; ++i)
    offsets.at(i) = static_cast<std::int32_t>(i * i * 8);  // lengths 8, 24, ..., 136, 0 before
  const std::int64_t total = offsets.at(n);
  buffer<float> policy(total), reference(total), gc(total), gr(total);
  buffer<bool> mask(total);
  noise random(12);
  for (std::int64_t t = 0; t < total; ++t) {
    policy.set(t, random.uniform(-3, 0)), reference.set(t, random.uniform(-3, 0)),
        mask.at(t) = random.uniform(0, 1) < 0.8;
    if (!mask.at(t)) policy.set(t, std::numeric_limits<double>::quiet_NaN());
  }
  buffer<double> loss(1), losses(n);
  device<std::int32_t> doffsets(offsets);
  device<float> dpolicy(policy), dreference(reference), dgc(gc), dgr(gr);
  device<bool> dmask(mask);
  device<double> dloss(loss), dlosses(losses);
  const pair_token_inputs<space::device> in = {.policy_chosen = dpolicy.read(),
                                               .policy_rejected = dreference.read(),
                                               .reference_chosen = dreference.read(),
                                               .reference_rejected = dpolicy.read(),
                                               .chosen_offsets = doffsets.read(),
                                               .rejected_offsets = doffsets.read(),
                                               .chosen_mask = dmask.read(),
                                               .rejected_mask = dmask.read()};
  const prefer_test::device_workspace memory(evaluate_tokens_workspace(dpo{}, n));
  prefer_test::enqueues_only("tokens", 1, [&] {
    check(evaluate_tokens(cuda{.stream = s.handle, .workspace = memory.get()}, dpo{}, in,
                          {.loss = dloss.view(),
                           .grad_policy_chosen = dgc.view(),
                           .grad_policy_rejected = dgr.view(),
                           .losses = dlosses.view()}));
  });
  s.wait();
  dgc.fetch(), dgr.fetch(), dloss.fetch(), dlosses.fetch();
  buffer<float> hc(total), hr(total);
  buffer<double> host_losses(n);
  check(evaluate_tokens(
      cpu{}, dpo{},
      {.policy_chosen = policy.read(),
       .policy_rejected = reference.read(),
       .reference_chosen = reference.read(),
       .reference_rejected = policy.read(),
       .chosen_offsets = {offsets.data(), n + 1},
       .rejected_offsets = {offsets.data(), n + 1},
       .chosen_mask = mask.read(),
       .rejected_mask = mask.read()},
      {.grad_policy_chosen = hc.view(), .grad_policy_rejected = hr.view(), .losses = host_losses.view()}));
  for (std::int64_t i = 0; i < n; ++i) CHECK(losses.get(i) == doctest::Approx(host_losses.get(i)).epsilon(1e-13));
  for (std::int64_t t = 0; t < total; ++t) CHECK(gc.get(t) == doctest::Approx(hc.get(t)).epsilon(1e-7));
  CHECK((gc.intact() && gr.intact() && losses.intact()));

  offsets.at(4) = 1 << 20;
  doffsets.send();
  buffer<unsigned char> word(sizeof(content_report));
  for (std::size_t i = 0; i < sizeof(content_report); ++i) word.data()[i] = 0xff;
  device<unsigned char> report(word);
  check(evaluate_tokens(cuda{.stream = s.handle, .report = reinterpret_cast<content_report*>(report.data())}, dpo{}, in,
                        {.losses = dlosses.view()}));
  s.wait();
  dlosses.fetch(), report.fetch();
  content_report got;
  std::memcpy(&got, word.data(), sizeof got);
  CHECK(got.code() == errc::bad_offsets);
  CHECK(got.index() == 3);
  for (std::int64_t i = 0; i < n; ++i) CHECK(std::isnan(losses.get(i)) == (i == 3 || i == 4));
}
