// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/preference_strength.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/loss/bradley_terry.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <cstddef>
#include <limits>
#include <string>

using namespace prefer;
using prefer_test::covers;
using prefer_test::ensemble;
using prefer_test::recipes;

namespace {

struct lent {
  std::vector<std::byte> memory;
  lent(const preference_strength& o, std::int64_t models, std::int64_t n)
      : memory(preference_strength_workspace(o, models, n)) {}
  cpu exec(task_runner pool = {}, prefer::content content = prefer::content::structure) {
    return {.pool = pool, .content = content, .workspace = {memory.data(), memory.size()}};
  }
};

template <class S>
void check_all() {
  for (const preference_strength& o : recipes())
    for (std::int64_t n : {0, 1, 2, 17, 103})
      for (std::int64_t models : {1, 2, 5}) {
        ensemble<S> e(models, n, n % 2 == 1);
        lent l(o, models, n);
        REQUIRE(measure_strength(l.exec(), o, e.inputs(), e.outputs()).ok());
        e.check_against_definition(o);
      }
  covers<S>("preference_strength", "sizes");
}

// Two pairs under four models, by hand: mean 1/4 and deviation 0.229129; the same, the other way round.
struct by_hand {
  double chosen[8] = {0.5, 0, -0.1, 0, 0.2, 0, 0.4, 0}, rejected[8] = {0, 0.5, 0, -0.1, 0, 0.2, 0, 0.4};
  double strength[2], deviation[2], label[2], margin[2];
  bool flip[2], keep[2];
  status run(const preference_strength& o, const cpu& exec = {}) {
    return measure_strength(exec, o, {.chosen = {chosen, 4, 2}, .rejected = {rejected, 4, 2}},
                            {.strength = {strength, 2},
                             .deviation = {deviation, 2},
                             .label = {label, 2},
                             .margin = {margin, 2},
                             .flip = {flip, 2},
                             .keep = {keep, 2}});
  }
};

}  // namespace

TEST_CASE("strengths are their definition: every recipe, size, storage type, and layout of the ensemble") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
}

TEST_CASE("hand-worked values: mean, population deviation, and what each recipe makes of a pair and of its reverse") {
  by_hand h;
  check(h.run({}));
  CHECK(h.strength[0] == doctest::Approx(0.25).epsilon(1e-15));
  CHECK(h.strength[1] == -h.strength[0]);
  CHECK(h.deviation[0] == doctest::Approx(0.229129).epsilon(1e-5));
  CHECK((h.label[0] == 1 && h.label[1] == 1 && !h.flip[1] && h.keep[1] && h.margin[1] == h.strength[1]));
  check(h.run({.flip_negative = true}));
  CHECK((h.label[0] == 1 && h.label[1] == 0 && h.flip[1] && !h.flip[0]));
  check(h.run({.smoothing_negative = 0.1}));
  CHECK((h.label[0] == 1 && h.label[1] == 0.9 && !h.flip[1]));
  lent l({.flip_share = 0.5}, 4, 2);
  check(h.run({.flip_share = 0.5}, l.exec()));
  CHECK((h.flip[1] && !h.flip[0] && h.keep[0] && h.keep[1]));
  check(h.run({.drop_share = 0.5}, l.exec()));
  CHECK((!h.flip[1] && h.keep[0] && !h.keep[1] && h.label[1] == 1));
  covers("preference_strength", "golden");
}

TEST_CASE(
    "label, margin and keep feed the Bradley-Terry loss: the published values, and a flipped pair is a swapped one") {
  by_hand h;
  const double r_chosen[] = {1.5, -0.5}, r_rejected[] = {0.5, 1};
  double losses[2], grad[2], swapped = 0;
  check(h.run({.flip_negative = true, .margin_scale = 2.0}));
  check(evaluate<double>(cpu{}, bradley_terry{},
                         {.chosen = {r_chosen, 2},
                          .rejected = {r_rejected, 2},
                          .label = {h.label, 2},
                          .margin = {h.margin, 2},
                          .mask = {h.keep, 2},
                          .normalizer = 1.0},
                         {.grad_chosen = {grad, 2}, .losses = {losses, 2}}));
  CHECK(losses[0] == doctest::Approx(0.474077).epsilon(1e-6));  // a difference of 1 and a margin of 1/2
  CHECK(grad[0] == doctest::Approx(-0.377541).epsilon(1e-6));
  const double margin = 0.5;  // of the pair in its right order
  check(evaluate<double>(cpu{}, bradley_terry{},
                         {.chosen = {r_rejected + 1, 1}, .rejected = {r_chosen + 1, 1}, .margin = {&margin, 1}},
                         {.loss = {&swapped, 1}}));
  CHECK(losses[1] == doctest::Approx(swapped).epsilon(1e-15));
  CHECK(grad[1] > 0);
  covers("preference_strength", "identity");
}

TEST_CASE("models that agree have no deviation at all; a constant model counts nothing when normalised") {
  const double chosen[] = {0.35, 0.7, 0.35, 0.7, 0.35, 0.7}, rejected[] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1};
  double deviation[2], strength[2];
  check(measure_strength(cpu{}, {}, {.chosen = {chosen, 3, 2}, .rejected = {rejected, 3, 2}},
                         {.deviation = {deviation, 2}}));
  CHECK((deviation[0] == 0 && deviation[1] == 0));
  const double constant[] = {0.35, 0.35, 3, 1}, other[] = {0.35, 0.35, 1, 1};
  lent l({.normalize = true}, 2, 2);
  check(measure_strength(l.exec(), {.normalize = true}, {.chosen = {constant, 2, 2}, .rejected = {other, 2, 2}},
                         {.strength = {strength, 2}}));
  CHECK(strength[0] == doctest::Approx(2 / std::sqrt(0.75) / 2).epsilon(1e-15));
  CHECK(strength[1] == 0);
}

TEST_CASE("equal strengths are ranked by their place, zeros of either sign alike, NaN last") {
  const double not_a_number = std::numeric_limits<double>::quiet_NaN();
  const double chosen[] = {0.0, not_a_number, -0.0, 1, 0.0}, rejected[] = {0, 0, 0, 1, 0};
  bool flip[5];
  double label[5];
  for (double share : {0.2, 0.4, 0.6, 0.8}) {
    lent l({.flip_share = share}, 1, 5);
    check(measure_strength(l.exec(), {.flip_share = share}, {.chosen = {chosen, 1, 5}, .rejected = {rejected, 1, 5}},
                           {.label = {label, 5}, .flip = {flip, 5}}));
    const int place[] = {0, 4, 1, 2, 3};
    for (int i = 0; i < 5; ++i) CHECK(flip[i] == (place[i] < std::lround(5 * share)));
    CHECK(std::isnan(label[1]));
  }
}

TEST_CASE(
    "the same bits for any threads; what the mask leaves out may be NaN; nothing is allocated; shares by pointer") {
  const preference_strength o{.flip_share = 0.2, .drop_share = 0.2, .normalize = true};
  ensemble<float> e(4, 9001, false);
  lent l(o, 4, 9001);
  const auto bits = [&](const cpu& exec, const preference_strength& options) {
    REQUIRE(measure_strength(exec, options, e.inputs(), e.outputs()).ok());
    auto all = e.strength.bytes();
    for (const auto* b : {&e.deviation, &e.label}) all.insert(all.end(), b->bytes().begin(), b->bytes().end());
    for (const auto* b : {&e.flip, &e.keep}) all.insert(all.end(), b->bytes().begin(), b->bytes().end());
    return all;
  };
  const auto expected = bits(l.exec(), o);
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(bits(l.exec(pool), o) == expected);
  }
  for (std::int64_t i = 2; i < 9001; i += 5) e.set(e.chosen, 1, i, std::numeric_limits<double>::quiet_NaN());
  CHECK(bits(l.exec({}, content::all), o) == expected);
  const double share = 0.2;
  CHECK(bits(l.exec(), {.flip_share = &share, .drop_share = &share, .normalize = true}) == expected);
  const auto in = e.inputs();
  const auto out = e.outputs();
  const cpu exec = l.exec();
  const long before = prefer_test::allocation_count();
  const status s = measure_strength(exec, o, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());
  for (const char* tag : {"threads", "masked", "allocation"}) covers("preference_strength", tag);
}

TEST_CASE("what is wrong with an ensemble is named, and nothing is written") {
  ensemble<float> e(3, 8, false);
  const preference_strength ranking{.flip_share = 0.25};
  lent l(ranking, 3, 8);
  const auto refused = [&](errc code, const char* argument, auto change,
                           const preference_strength& o = {.flip_share = 0.25}) {
    auto in = e.inputs();
    auto out = e.outputs();
    cpu exec = l.exec({}, content::all);
    change(in, out, exec);
    const status s = measure_strength(exec, o, in, out);
    INFO(message(s).c_str() << " expected for " << argument);
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  const auto nothing = [](auto&, auto&, auto&) {};
  refused(errc::missing_input, "chosen", [](auto& in, auto&, auto&) { in.chosen = {}; });
  refused(errc::missing_input, "rejected", [](auto& in, auto&, auto&) { in.rejected = {}; });
  refused(errc::bad_extent, "rejected", [](auto& in, auto&, auto&) { in.rejected.extent[0] = 2; });
  refused(errc::bad_extent, "rejected", [](auto& in, auto&, auto&) { in.rejected.extent[1] = 7; });
  refused(errc::bad_extent, "chosen", [](auto& in, auto&, auto&) { in.chosen.extent[0] = 0; });
  refused(errc::bad_extent, "mask", [](auto& in, auto&, auto&) { in.mask.extent[0] = 7; });
  refused(errc::bad_element, "mask", [](auto& in, auto& out, auto&) {
    in.mask = {static_cast<const float*>(out.label.data), 8};
  });
  refused(errc::bad_stride, "chosen", [](auto& in, auto&, auto&) { in.chosen.stride[1] = -1; });
  refused(errc::null_data, "chosen", [](auto& in, auto&, auto&) { in.chosen.data = nullptr; });
  refused(errc::bad_extent, "label", [](auto&, auto& out, auto&) { out.label.extent[0] = 7; });
  refused(errc::bad_element, "flip", [](auto&, auto& out, auto&) { out.flip = out.label; });
  refused(errc::bad_element, "label", [](auto&, auto& out, auto&) { out.label = out.flip; });
  refused(errc::overlap, "margin", [](auto&, auto& out, auto&) { out.margin = out.label; });
  refused(errc::overlap, "strength",
          [](auto& in, auto& out, auto&) { out.strength.data = const_cast<void*>(in.chosen.data); });
  refused(errc::missing_output, "outputs", [](auto&, auto& out, auto&) { out = {}; });
  refused(errc::small_workspace, "exec.workspace.bytes", [](auto&, auto&, auto& exec) { exec.workspace.bytes = 32; });
  refused(errc::bad_parameter, "flip_share", nothing, {.flip_share = 1.5});
  refused(errc::bad_parameter, "drop_share", nothing, {.drop_share = -0.5});
  refused(errc::bad_parameter, "drop_share", nothing, {.flip_share = 0.75, .drop_share = 0.5});
  refused(errc::bad_parameter, "smoothing", nothing, {.smoothing = 0.75});
  refused(errc::bad_parameter, "smoothing_negative", nothing, {.smoothing_negative = -0.5});
  refused(errc::bad_parameter, "margin_scale", nothing, {.margin_scale = HUGE_VAL});
  e.set(e.rejected, 2, 3, std::numeric_limits<double>::quiet_NaN());
  refused(errc::not_a_number, "rejected", nothing);
  CHECK((e.strength.untouched() && e.label.untouched() && e.flip.untouched() && e.keep.untouched()));
  covers("preference_strength", "bad-argument");
}
