// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/validate.cuh>
#include <prefer/logp/noise_error.cuh>
#include <prefer/loss/bradley_terry.cuh>
#include <prefer/loss/diffusion_dpo.cuh>
#include <prefer/loss/dpo.cuh>
#include <prefer/loss/lists.cuh>
#include <support/cuda.cuh>

#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::device;

namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();

// Both sides say the same; answers it.
status same(const status& there, const status& here) {
  CHECK(std::string(message(there).c_str()) == message(here).c_str());
  return there;
}

}  // namespace

TEST_CASE("validate gives on CUDA the sentence of the CPU, whatever the stride and the part that the fault is in") {
  prefer_test::stream s;
  for (std::int64_t n : {0, 5, 70000}) {
    buffer<float> chosen(n, 2), rejected(1), label(n);
    buffer<bool> mask(n);
    rejected.set(0, 0);
    for (std::int64_t i = 0; i < n; ++i) chosen.set(i, 0.5), label.set(i, 0.5), mask.at(i) = i % 2 == 1;
    if (n > 0) label.set(0, 9);  // masked
    const auto check = [&] {
      device<float> c(chosen), r(rejected), l(label);
      device<bool> m(mask);
      const reward_pair_inputs<space::device> in = {.chosen = c.read(),
                                                    .rejected = {static_cast<const float*>(r.data()), n, 0},
                                                    .label = l.read(),
                                                    .mask = m.read()};
      const reward_pair_inputs<space::host> host = {
          .chosen = chosen.read(), .rejected = {rejected.data(), n, 0}, .label = label.read(), .mask = mask.read()};
      const status there = validate(prefer::cuda{s.handle}, bradley_terry{}, in);
      CHECK(std::string(message(there).c_str()) == message(validate(cpu{}, bradley_terry{}, host)).c_str());
      return there;
    };
    CHECK(check().ok());
    if (n == 0) continue;
    label.set(n - n % 2 - 1, -2);
    CHECK(check().index == n - n % 2 - 1);
    chosen.set(3, missing);
    CHECK(check().code == errc::not_a_number);
  }
}

TEST_CASE("validate_tokens gives on CUDA the sentence of the CPU") {
  prefer_test::stream s;
  buffer<float> chosen(5), rejected(3, 2), weight(5);
  buffer<std::int32_t> begin(2), end(2), offsets(3);
  buffer<bool> mask(5);
  for (std::int64_t t = 0; t < 5; ++t) chosen.set(t, -1), weight.set(t, 1), mask.at(t) = t != 2;
  for (std::int64_t t = 0; t < 3; ++t) rejected.set(t, -1);
  begin.at(0) = 3, end.at(0) = 5, begin.at(1) = 0, end.at(1) = 3;
  offsets.at(0) = 0, offsets.at(1) = 1, offsets.at(2) = 3;
  const auto inputs = [](auto tag, auto& c, auto& r, auto& w, auto& b, auto& e, auto& o, auto& m) {
    constexpr space place = decltype(tag)::value;
    pair_token_inputs<place> in;
    in.policy_chosen = in.reference_chosen = c.read(), in.policy_rejected = in.reference_rejected = r.read();
    in.chosen_weight = w.read(), in.chosen_mask = m.read();
    in.chosen_offsets = b.read(), in.chosen_ends = e.read(), in.rejected_offsets = o.read();
    return in;
  };
  const auto check = [&] {
    device<float> c(chosen), r(rejected), w(weight);
    device<std::int32_t> b(begin), e(end), o(offsets);
    device<bool> m(mask);
    using on_device = std::integral_constant<space, space::device>;
    using on_host = std::integral_constant<space, space::host>;
    return same(validate_tokens(prefer::cuda{s.handle}, dpo{}, inputs(on_device{}, c, r, w, b, e, o, m)),
                validate_tokens(cpu{}, dpo{}, inputs(on_host{}, chosen, rejected, weight, begin, end, offsets, mask)));
  };
  chosen.set(2, missing);  // left out
  CHECK(check().ok());
  weight.set(4, missing);
  CHECK(check().index == 4);
  rejected.set(1, missing);
  CHECK(check().index == 1);
  offsets.at(1) = 4;
  CHECK(check().code == errc::bad_offsets);
  end.at(1) = 6;
  CHECK(check().code == errc::bad_offsets);
}

TEST_CASE("validate_indexed gives on CUDA the sentence of the CPU") {
  prefer_test::stream s;
  buffer<double> score(3);
  buffer<std::int32_t> chosen(2), rejected(2, 2);
  buffer<std::int64_t> offsets(4), entries(4);
  for (std::int64_t i = 0; i < 3; ++i) score.set(i, 1);
  for (std::int64_t i = 0; i < 2; ++i) chosen.at(i) = 0, rejected.at(i) = 1;
  REQUIRE(make_pair_plan(cpu{}, chosen.read(), rejected.read(), 3, {offsets.data(), 4}, {entries.data(), 4}).ok());
  const auto check = [&] {
    device<double> x(score);
    device<std::int32_t> c(chosen), r(rejected);
    device<std::int64_t> o(offsets), e(entries);
    return same(
        validate_indexed(
            prefer::cuda{s.handle}, bradley_terry{},
            {.score = x.read(), .chosen = c.read(), .rejected = r.read(), .plan = {o.read(), e.read()}}),
        validate_indexed(cpu{}, bradley_terry{},
                         {.score = score.read(),
                          .chosen = chosen.read(),
                          .rejected = rejected.read(),
                          .plan = {{offsets.data(), 4}, {entries.data(), 4}}}));
  };
  score.set(2, missing);  // of no pair
  CHECK(check().ok());
  entries.at(2) = 2;
  CHECK(check().code == errc::bad_index);
  rejected.at(1) = 2;
  CHECK(check().code == errc::not_a_number);
  rejected.at(1) = -1;
  CHECK(check().index == 1);
}

TEST_CASE("validate_rows gives on CUDA the sentence of the CPU, also in a later part and of strided rows") {
  prefer_test::stream s;
  const std::int64_t n = 9, elements = 1 << 19;  // eight items at a time
  buffer<float> x(elements + n), few(2 * (6 + 1));
  for (std::int64_t i = 0; i < x.size(); ++i) x.set(i, 0.5);
  for (std::int64_t i = 0; i < few.size(); ++i) few.set(i, 0.5);
  const auto check = [&](buffer<float>& b, std::int64_t items, std::int64_t d, std::int64_t row, std::int64_t step) {
    device<float> there(b);
    const view<const float, 2, space::device> r(static_cast<const float*>(there.data()), items, d, row, step);
    const view<const float, 2, space::host> h(static_cast<const float*>(b.data()), items, d, row, step);
    return same(validate_rows(prefer::cuda{s.handle}, noise_error{}, diffusion_dpo{},
                              {.chosen = {r, r, r}, .rejected = {r, r, r}}),
                validate_rows(cpu{}, noise_error{}, diffusion_dpo{}, {.chosen = {h, h, h}, .rejected = {h, h, h}}));
  };
  x.set(elements + n - 1, missing);  // in no row
  CHECK(check(x, n, elements, 1, 1).ok());
  x.set(elements + n - 2, missing);  // in the last one
  CHECK(check(x, n, elements, 1, 1).index == n - 1);
  few.set(1, missing), few.set(6, missing);  // gaps
  CHECK(check(few, 2, 3, 7, 2).ok());
  few.set(9, missing);
  CHECK(check(few, 2, 3, 7, 2).index == 1);
}

TEST_CASE("validate_lists gives on CUDA the sentence of the CPU") {
  prefer_test::stream s;
  buffer<float> score(5), grade(5);
  buffer<std::int32_t> offsets(3);
  buffer<bool> item_mask(5);
  for (std::int64_t i = 0; i < 5; ++i) score.set(i, 0), grade.set(i, 1), item_mask.at(i) = i != 1;
  offsets.at(0) = 0, offsets.at(1) = 3, offsets.at(2) = 5;
  std::vector<char> scratch(evaluate_lists_workspace(2, 5));
  const auto check = [&] {
    device<float> x(score), g(grade);
    device<std::int32_t> o(offsets);
    device<bool> m(item_mask);
    return same(validate_lists(prefer::cuda{s.handle}, ranknet{},
                               {.score = x.read(), .offsets = o.read(), .grade = g.read(), .item_mask = m.read()}),
                validate_lists(cpu{.workspace = {scratch.data(), scratch.size()}}, ranknet{},
                               {.score = score.read(),
                                .offsets = offsets.read(),
                                .grade = grade.read(),
                                .item_mask = item_mask.read()}));
  };
  score.set(1, missing), grade.set(1, missing);  // left out
  CHECK(check().ok());
  score.set(4, missing);
  CHECK(check().index == 4);
  grade.set(2, missing);
  CHECK(check().index == 2);
  offsets.at(1) = 6;
  CHECK(check().code == errc::bad_offsets);
}
