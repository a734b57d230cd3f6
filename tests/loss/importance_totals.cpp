// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/importance_totals.hpp>
#include <prefer/core/reducer.hpp>
#include <support/allocations.hpp>

#include <cstring>
#include <string>
#include <vector>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("totals and normalised weights are their definitions: sizes, masks, strides, storage types") {
  SUBCASE("float") { check_totals<float, host_side>(1, false); }
  SUBCASE("double, strided, masked") { check_totals<double, host_side>(3, true); }
  SUBCASE("half, masked") { check_totals<half, host_side>(1, true); }
  SUBCASE("bfloat16, strided") { check_totals<bfloat16, host_side>(2, false); }
}

TEST_CASE("equal weights: the effective size is their number; one that outweighs all others: 1; none: 0") {
  for (const char* name : {"importance_totals", "normalize_importance"}) covers(name, "identity");
  const auto of = [](const std::vector<double>& w) {
    double totals[importance_totals_size];
    const auto n = static_cast<std::int64_t>(w.size());
    check(importance_totals(cpu{}, {.weight = {w.data(), n}}, {totals, importance_totals_size}));
    return summary_of_importance(totals);
  };
  for (const double w : {1.0, 0.7, 4294967296.0, 1e-8}) {
    const importance_summary s = of(std::vector<double>(1000, w));
    CHECK(s.effective_size == doctest::Approx(1000).epsilon(1e-14));
    CHECK(s.mean == doctest::Approx(w).epsilon(1e-14));
    CHECK(s.clipped_fraction == 0);
  }
  CHECK(of({4e9, 1e-8, 1e-8}).effective_size == 1);
  CHECK(of({3, 1}).effective_size == doctest::Approx(1.6).epsilon(1e-15));
  CHECK((of({0, 0}).effective_size == 0 && of({0, 0}).dropped_fraction == 1));
  CHECK((of({}).mean == 0 && of({}).count == 0));
  CHECK(of({-1, 3}).mean == 1);
  for (const double w : {not_a_number, 4294967297.0, HUGE_VAL})
    CHECK((std::isnan(of({1, w}).mean) && std::isnan(of({1, w}).effective_size)));
  const double zeros[2] = {};
  double totals[importance_totals_size], out[2] = {7, 7};
  check(importance_totals(cpu{}, {.weight = {zeros, 2}}, {totals, importance_totals_size}));
  check(normalize_importance(cpu{}, {.weight = {zeros, 2}, .totals = {totals, importance_totals_size}},
                             {.weight = {out, 2}}));
  CHECK((out[0] == 0 && out[1] == 0));
  const double opposite[2] = {-1, 1};  // their mean is 0, and so are they
  check(importance_totals(cpu{}, {.weight = {opposite, 2}}, {totals, importance_totals_size}));
  check(normalize_importance(cpu{}, {.weight = {opposite, 2}, .totals = {totals, importance_totals_size}},
                             {.weight = {out, 2}}));
  CHECK((out[0] == 0 && out[1] == 0));
}

namespace {

// Simulated ranks: what each has given is added up in the order in which they come.
struct simulated_ranks {
  std::vector<totals_array> given;
  std::int64_t processes() const { return static_cast<std::int64_t>(given.size()); }
  status operator()(reduction, double* values, std::int64_t n) const {
    for (std::int64_t k = 0; k < n; ++k) {
      values[k] = 0;
      for (const totals_array& g : given) values[k] += g[static_cast<std::size_t>(k)];
    }
    return {};
  }
  status gather(const void*, std::int64_t, void*) const { return {}; }
};

}  // namespace

TEST_CASE("any split over ranks, in any order, on any threads and levels has the bits of one process; no allocation") {
  totals_case<double> c(70000, 1, true);
  host_side side;
  check(c.add_up(side));
  const totals_array whole = c.totals.values();
  check(c.normalize(side));
  const auto normalized = c.normalized.values();
  for (const isa level : levels())
    for (const int threads : {2, 3, 8}) {
      thread_pool pool(threads);
      host_side on{cpu{.pool = pool, .isa = level}};
      check(c.add_up(on));
      CHECK(c.totals.values() == whole);
    }
  for (const std::vector<std::int64_t>& cuts :
       {std::vector<std::int64_t>{0, 1, 70000}, {0, 35001, 70000}, {0, 10, 10, 30000, 69999, 70000}})
    for (const bool backwards : {false, true}) {
      simulated_ranks ranks;
      for (std::size_t p = 0; p + 1 < cuts.size(); ++p) {
        totals_array own(importance_totals_size);
        const std::int64_t from = cuts[p], n = cuts[p + 1] - cuts[p];
        check(importance_totals(cpu{},
                                {.weight = {c.weight.data() + from, n}, .mask = {c.mask.data() + from, n}, .cap = 2.0},
                                {own.data(), importance_totals_size}));
        ranks.given.insert(backwards ? ranks.given.begin() : ranks.given.end(), own);
      }
      totals_array all(importance_totals_size);
      check(reducer(ranks)(reduction::sum, all.data(), importance_totals_size));
      CHECK(all == whole);
      const importance_summary got = summary_of_importance(all.data()), expected = c.summary();
      CHECK(std::memcmp(&got, &expected, sizeof got) == 0);
      std::vector<double> part(100);
      check(normalize_importance(cpu{},
                                 {.weight = {c.weight.data() + 69900, 100},
                                  .mask = {c.mask.data() + 69900, 100},
                                  .totals = {all.data(), importance_totals_size}},
                                 {.weight = {part.data(), 100}}));
      for (std::size_t i = 0; i < 100; ++i) CHECK(part[i] == normalized[69900 + i]);
    }
  const importance_totals_inputs<space::host> in{.weight = c.weight.read(), .mask = c.mask.read()};
  const normalize_importance_inputs<space::host> by{.weight = c.weight.read(), .totals = c.totals.read()};
  const long before = allocation_count();
  const status s = importance_totals(cpu{}, in, c.totals.view());
  const status t = normalize_importance(cpu{}, by, {.weight = c.normalized.view()});
  CHECK(allocation_count() == before);
  CHECK((s.ok() && t.ok()));
  for (const char* name : {"importance_totals", "normalize_importance"})
    for (const char* tag : {"threads", "allocation"}) covers(name, tag);
}

TEST_CASE("importance_totals and normalize_importance name what is wrong, and write nothing") {
  const double w[3] = {1, 2, not_a_number};
  const bool mask[2] = {};
  const float single[15] = {};
  double totals[30], out[3] = {7, 7, 7};
  for (double& x : totals) x = 7;
  using in = importance_totals_inputs<space::host>;
  using by = normalize_importance_inputs<space::host>;
  const auto text = [&](const status& s) {
    for (const double x : out) CHECK(x == 7);
    for (const double x : totals) CHECK(x == 7);
    return std::string(message(s).c_str()).substr(8);
  };
  const auto refused = [&](const in& i, const output_view<1, space::host>& to, const cpu& exec = {}) {
    return text(importance_totals(exec, i, to));
  };
  const view<double> good(totals, 15);
  CHECK(refused({}, good) == "missing input: weight: expected one number per token or response");
  CHECK(refused({.weight = {w, 3}}, {}) == "missing output: totals: expected fifteen numbers, that is");
  CHECK(refused({.weight = {w, 3}}, {totals, 14}) == "bad extent: totals is 14, expected fifteen numbers, that is 15");
  CHECK(refused({.weight = {w, 3}}, {totals, 15, 2}) == "bad stride: totals is 2, expected exactly 1");
  CHECK(refused({.weight = {w, 3}, .mask = {mask, 2}}, good) ==
        "bad extent: mask is 2, expected the number of weights, 3");
  CHECK(refused({.weight = {w, 3}, .cap = 0.0}, good) == "bad parameter: cap is 0, expected above 0, or infinite");
  CHECK(refused({.weight = {totals, 15}}, good).substr(0, 15) == "overlap: totals");
  CHECK(refused({.weight = {w, 3}}, good, cpu{.content = content::all}).substr(0, 20) == "not a number: weight");
  const auto refused_by = [&](const by& i, const output_view<1, space::host>& to) {
    return text(normalize_importance(cpu{}, i, {.weight = to}));
  };
  CHECK(refused_by({}, {out, 3}) == "missing input: weight: expected one number per token or response");
  CHECK(refused_by({.weight = {w, 3}}, {out, 3}) == "missing input: totals: expected fifteen numbers, that is");
  CHECK(refused_by({.weight = {w, 3}, .totals = {totals, 15}}, {}) ==
        "missing output: weight: expected one number per weight");
  CHECK(refused_by({.weight = {w, 3}, .totals = {single, 15}}, {out, 3}) ==
        "bad element type: totals: expected elements of type double");
  CHECK(refused_by({.weight = {w, 3}, .totals = {totals, 15}}, {out, 2}) ==
        "bad extent: weight is 2, expected the number of weights, 3");
  for (const char* name : {"importance_totals", "normalize_importance"}) covers(name, "bad-argument");
}
