// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/evaluate_indexed.cuh>
#include <prefer/core/pair_plan.cuh>
#include <prefer/loss/dpo.cuh>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

using namespace prefer;  // but prefer::cuda by its full name: CUB brings a namespace cuda
using prefer_test::buffer;
using prefer_test::device;
using prefer_test::stream;

namespace {

struct fixture {
  std::int64_t n, samples;
  buffer<std::int32_t> chosen, rejected;
  buffer<double> policy, reference, grad;
  buffer<std::int64_t> offsets, entries;
  fixture(std::int64_t pairs, std::int64_t count)
      : n(pairs),
        samples(count),
        chosen(n),
        rejected(n, 2),
        policy(count),
        reference(count),
        grad(count),
        offsets(count + 1),
        entries(2 * n) {
    prefer_test::noise random(17);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto draw = [&] { return static_cast<std::int32_t>(random.bits() % static_cast<std::uint64_t>(samples)); };
      chosen.at(i) = i % 4 == 0 ? draw() : 0, rejected.at(i) = draw();
    }
    for (std::int64_t s = 0; s < samples; ++s)
      policy.set(s, random.uniform(-9, 0)), reference.set(s, random.uniform(-9, 0));
  }
};

}  // namespace

TEST_CASE("plan and indexed loss on CUDA: the plan bit for bit, values and shared gradients as on the CPU") {
  stream s;
  for (std::int64_t n : {0, 1, 300, 3000}) {
    fixture f(n, 37);
    device<std::int32_t> chosen(f.chosen), rejected(f.rejected);
    device<double> policy(f.policy), reference(f.reference), grad(f.grad);
    device<std::int64_t> offsets(f.offsets), entries(f.entries);
    buffer<double> loss(1);
    device<double> dloss(loss);
    const prefer_test::device_workspace planning(pair_plan_workspace(n, 37));
    check(make_pair_plan(prefer::cuda{.stream = s.handle, .workspace = planning.get()}, chosen.read(), rejected.read(),
                         37, offsets.view(), entries.view()));
    const prefer::cuda plain{s.handle};
    const prefer_test::device_workspace memory(evaluate_indexed_workspace<double>(plain, dpo{}, n));
    const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
    const pair_index_inputs<space::device> in = {.policy = policy.read(),
                                                 .reference = reference.read(),
                                                 .chosen = chosen.read(),
                                                 .rejected = rejected.read(),
                                                 .plan = {offsets.read(), entries.read()}};
    prefer_test::enqueues_only("indexed", 2, [&] {
      check(evaluate_indexed<double>(exec, dpo{.beta = 0.3}, in, {.loss = dloss.view(), .grad_policy = grad.view()}));
    });
    s.wait();
    grad.fetch(), dloss.fetch(), offsets.fetch(), entries.fetch();
    CHECK((f.grad.intact() && f.offsets.intact() && f.entries.intact()));

    std::vector<std::int64_t> host_offsets(38), host_entries(static_cast<std::size_t>(2 * n));
    check(make_pair_plan(cpu{}, f.chosen.read(), f.rejected.read(), 37, {host_offsets.data(), 38},
                         {host_entries.data(), 2 * n}));
    for (std::int64_t i = 0; i < 38; ++i) CHECK(f.offsets.at(i) == host_offsets[static_cast<std::size_t>(i)]);
    for (std::int64_t i = 0; i < 2 * n; ++i) CHECK(f.entries.at(i) == host_entries[static_cast<std::size_t>(i)]);
    std::vector<char> scratch(evaluate_indexed_workspace<double>(cpu{}, dpo{}, n));
    buffer<double> host_grad(37);
    double host_loss = 0;
    check(evaluate_indexed<double>(cpu{.workspace = {scratch.data(), scratch.size()}}, dpo{.beta = 0.3},
                                   {.policy = f.policy.read(),
                                    .reference = f.reference.read(),
                                    .chosen = f.chosen.read(),
                                    .rejected = f.rejected.read(),
                                    .plan = {{host_offsets.data(), 38}, {host_entries.data(), 2 * n}}},
                                   {.loss = {&host_loss, 1}, .grad_policy = host_grad.view()}));
    CHECK(loss.get(0) == doctest::Approx(host_loss).epsilon(1e-14));
    for (std::int64_t i = 0; i < 37; ++i)
      CHECK(f.grad.get(i) == doctest::Approx(host_grad.get(i)).epsilon(1e-12).scale(0.01));
  }
}

TEST_CASE("an index out of range makes its pair NaN and is reported, without a wild access") {
  stream s;
  fixture f(50, 20);
  f.rejected.at(13) = 1 << 30, f.chosen.at(40) = -5;
  device<std::int32_t> chosen(f.chosen), rejected(f.rejected);
  device<double> policy(f.policy), reference(f.reference), grad(f.grad);
  buffer<double> losses(50);
  device<double> dlosses(losses);
  buffer<unsigned char> word(sizeof(content_report));
  for (std::size_t i = 0; i < sizeof(content_report); ++i) word.data()[i] = 0xff;
  device<unsigned char> report(word);
  device<std::int64_t> offsets(f.offsets), entries(f.entries);
  check(make_pair_plan(prefer::cuda{s.handle}, chosen.read(), rejected.read(), 20, offsets.view(), entries.view()));
  check(evaluate_indexed<double>(
      prefer::cuda{.stream = s.handle, .report = reinterpret_cast<content_report*>(report.data())}, dpo{},
      {.policy = policy.read(),
       .reference = reference.read(),
       .chosen = chosen.read(),
       .rejected = rejected.read(),
       .plan = {offsets.read(), entries.read()}},
      {.grad_policy = grad.view(), .losses = dlosses.view()}));
  s.wait();
  dlosses.fetch(), report.fetch(), grad.fetch();
  content_report got;
  std::memcpy(&got, word.data(), sizeof got);
  CHECK(got.code() == errc::bad_index);
  CHECK(got.index() == 13);
  for (std::int64_t i = 0; i < 50; ++i) CHECK(std::isnan(losses.get(i)) == (i == 13 || i == 40));
}
