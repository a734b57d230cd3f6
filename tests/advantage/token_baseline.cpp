// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <advantage/token_baseline.hpp>
#include <support/allocations.hpp>

#include <string>
#include <vector>

using namespace prefer;
using namespace prefer_test;

namespace {

struct answer {
  std::vector<double> advantage, baseline;
};
// Responses of one group, with scores and energies.
answer of(const std::vector<double>& score, const std::vector<std::int64_t>& offsets, const std::vector<double>& energy,
          const token_baseline& rule = {}) {
  const auto n = static_cast<std::int64_t>(score.size()), tokens = offsets.back();
  const std::int64_t group[] = {0, n};
  std::vector<double> memory(token_baseline_workspace(n) / sizeof(double));
  answer a{std::vector<double>(static_cast<std::size_t>(tokens)),
           std::vector<double>(static_cast<std::size_t>(tokens))};
  token_baseline_inputs<space::host> in{
      .score = {score.data(), n}, .offsets = {offsets.data(), n + 1}, .groups = {group, 2}};
  if (!energy.empty()) in.energy = {energy.data(), tokens};
  check(
      token_baseline_advantages(cpu{.workspace = {memory.data(), memory.size() * sizeof(double)}}, rule, in,
                                {.advantage = {a.advantage.data(), tokens}, .baseline = {a.baseline.data(), tokens}}));
  return a;
}

}  // namespace

TEST_CASE("baselines of positions are their definition: lengths, groups, masks, energies, strides, storage types") {
  SUBCASE("float") { check_token_baseline<float, host_side>(1); }
  SUBCASE("double, strided") { check_token_baseline<double, host_side>(3); }
  SUBCASE("half") { check_token_baseline<half, host_side>(1); }
  SUBCASE("bfloat16, strided") { check_token_baseline<bfloat16, host_side>(2); }
}

TEST_CASE("a token baseline by hand: the responses that are still there, by how much they have varied so far") {
  // Of energies 1, 1, 1 and 3: W is 1, 2, 3 and 3.
  const answer a = of({1, 0}, {0, 3, 4}, {1, 1, 1, 3});
  CHECK(a.baseline == std::vector<double>{0.25, 1, 1, 0.25});
  CHECK(a.advantage == std::vector<double>{0.75, 0, 0, -0.25});
  // As verl does with the end of the longest response, and with groups of one.
  CHECK(of({1, 0}, {0, 3, 4}, {1, 1, 1, 3}, {.zero_alone = true}).advantage == std::vector<double>{0.75, 1, 1, -0.25});
  CHECK(of({2}, {0, 2}, {}).advantage == std::vector<double>{0, 0});
  CHECK(of({2}, {0, 2}, {}, {.zero_alone = true}).advantage == std::vector<double>{2, 2});
  // Tokens that could not have been others: the mean.
  CHECK(of({1, 0, 2}, {0, 1, 2, 3}, {0, 0, 0}).advantage == std::vector<double>{0, -1, 1});
  covers("token_baseline", "golden");
}

TEST_CASE("a token baseline: equal scores have advantages of 0, weighted ones add up to 0, no other varies less") {
  const std::vector<std::int64_t> offsets = {0, 4, 9, 12};
  std::vector<double> energy;
  for (int t = 0; t < 12; ++t) energy.push_back(0.1 + 0.3 * ((t * 7) % 5));
  for (const double x : {0.7, -1e300, 1.0 / 3})
    for (const double v : of({x, x, x}, offsets, energy).advantage) CHECK(v == 0);
  const std::vector<double> score = {1, -0.5, 3};
  const answer a = of(score, offsets, energy);
  double w[3] = {};
  for (std::int64_t k = 0; k < 5; ++k) {
    double sum = 0, variance[3] = {};
    for (std::size_t i = 0; i < 3; ++i) {
      if (offsets[i] + k >= offsets[i + 1]) continue;
      const auto t = static_cast<std::size_t>(offsets[i] + k);
      w[i] += energy[t], sum += w[i] * a.advantage[t];
      for (int s = 0; s < 3; ++s) variance[s] += w[i] * std::pow(score[i] - (a.baseline[t] + 0.01 * (s - 1)), 2);
    }
    CHECK(std::fabs(sum) < 1e-14);
    CHECK((variance[1] < variance[0] && variance[1] < variance[2]));
  }
  // Energies that are all the same make the mean of those that are there.
  const answer plain = of(score, offsets, {});
  CHECK(plain.baseline[0] == doctest::Approx(3.5 / 3).epsilon(1e-15));
  CHECK(plain.baseline[3] == doctest::Approx(0.25).epsilon(1e-15));
  covers("token_baseline", "identity");
}

TEST_CASE("the energy of a token is the squared norm of its score function, however sure the policy is") {
  for (const double rest : {0.9, 0.3, 1e-3, 1e-9, 1e-200}) {
    const long double others[] = {rest * 0.75L, rest * 0.25L}, p = 1 - (others[0] + others[1]);
    const long double squares = others[0] * others[0] + others[1] * others[1];
    const long double missed = others[0] + others[1];
    const double exact = static_cast<double>(missed * missed + squares);
    const double found =
        detail::score_energy(std::log1p(-static_cast<double>(missed)), static_cast<double>(std::log(p * p + squares)));
    // The logarithms are rounded: by 2^-53 of what the probabilities are, that is, of 1.
    CHECK(std::fabs(found - exact) <= 4e-15 * exact + 2.3e-16);
    CHECK(found >= 0.999 * static_cast<double>(missed * missed));
  }
  CHECK(detail::score_energy(-HUGE_VAL, std::log(0.5)) == 1.5);  // of a token that is never drawn
  CHECK(detail::score_energy(0.0, 0.0) == 0);
}

TEST_CASE("a number that is NaN makes the positions NaN that it enters, and no others") {
  const std::vector<double> score = {1, not_a_number, 3};
  const answer a = of(score, {0, 4, 6, 9}, {});
  for (int t = 0; t < 9; ++t)
    CHECK(std::isnan(a.advantage[static_cast<std::size_t>(t)]) == (t % 10 < 2 || t == 4 || t == 5 || t == 6 || t == 7));
  const answer b = of({1, 2}, {0, 3, 6}, {1, not_a_number, 1, 1, 1, 1});
  for (std::size_t t = 0; t < 6; ++t) CHECK(std::isnan(b.advantage[t]) == (t % 3 > 0));
}

TEST_CASE("token baselines have the same bits at any number of threads and in any batch; nothing is allocated") {
  std::vector<std::int64_t> lengths, sizes(500, 4);
  for (std::int64_t i = 0; i < 2000; ++i) lengths.push_back(i * 7 % 60);
  token_baseline_case<float> c(lengths, sizes, {});
  c.groups.offsets.at(500) = 2000;
  for (std::int64_t b = 0; b <= 500; ++b) c.groups.offsets.at(b) = static_cast<std::int32_t>(4 * b);
  host_side side;
  side.exec.workspace = {c.memory.data(), static_cast<std::size_t>(c.memory.size()) * sizeof(double)};
  const long before = allocation_count();
  check(c.call(side));
  CHECK(allocation_count() == before);
  const auto bits = c.advantage.values();
  for (const int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    side.exec.pool = pool;
    check(c.call(side));
    CHECK(c.advantage.values() == bits);
  }
  side.exec.pool = {};
  c.groups.offsets.at(0) = c.groups.offsets.at(1);  // one group fewer
  check(c.call(side));
  CHECK(c.advantage.values() == bits);
  for (const isa level : levels()) {
    host_side on{cpu{.isa = level, .workspace = side.exec.workspace}};
    check(c.call(on));
    double apart = 0;
    for (std::int64_t t = 0; t < c.responses.samples; ++t)
      apart = std::fmax(apart, std::fabs(c.advantage.get(t) - bits[static_cast<std::size_t>(t)]));
    CHECK(apart < 1e-6);
  }
  for (const char* tag : {"threads", "allocation"}) covers("token_baseline", tag);
}

TEST_CASE("token_baseline_advantages names what is wrong, and writes nothing") {
  covers("token_baseline", "bad-argument");
  const double x[4] = {1, 2, 3, not_a_number};
  const std::int32_t o[] = {0, 2, 4}, g[] = {0, 2}, falling[] = {0, 5, 4}, beyond[] = {0, 3};
  double a[4] = {7, 7, 7, 7}, memory[64];
  using in = token_baseline_inputs<space::host>;
  using out = token_baseline_outputs<space::host>;
  const cpu plain{.workspace = {memory, sizeof memory}};
  const auto refused = [&](const in& i, const out& to, const cpu& exec) {
    const status s = token_baseline_advantages(exec, {}, i, to);
    for (const double v : a) CHECK(v == 7);
    return std::string(message(s).c_str()).substr(8);
  };
  const in good{.score = {x, 2}, .offsets = {o, 3}, .groups = {g, 2}};
  const out to{.advantage = {a, 4}};
  CHECK(refused({.offsets = {o, 3}, .groups = {g, 2}}, to, plain) ==
        "missing input: score: expected one number per response, or a reward per token");
  CHECK(refused({.score = {x, 2}, .groups = {g, 2}}, to, plain).find("missing input: offsets") == 0);
  CHECK(refused({.score = {x, 2}, .offsets = {o, 3}}, to, plain).find("missing input: groups") == 0);
  CHECK(refused(good, {}, plain) == "missing output: outputs: expected at least one output to write");
  in more = good;
  more.policy = {x, 4};
  CHECK(refused(more, to, plain).find("missing input: log_square_sum") == 0);
  more.energy = {x, 4};
  CHECK(refused(more, to, plain).find("unused input: policy") == 0);
  more = good;
  more.reward = {x, 3};
  CHECK(refused(more, to, plain) == "bad extent: reward is 3, expected one per token: 4");
  more = good;
  more.score = {x, 3};
  CHECK(refused(more, to, plain).find("bad extent: score is 3") == 0);
  more = good;
  more.importance = {a, 4};
  CHECK(refused(more, to, plain).find("overlap: advantage") == 0);
  CHECK(refused({.score = {x, 2}, .offsets = {falling, 3}, .groups = {g, 2}}, to, plain)
            .find("bad offsets: offsets[1] is 5") == 0);
  CHECK(refused({.score = {x, 2}, .offsets = {o, 3}, .groups = {beyond, 2}}, to, plain)
            .find("bad offsets: groups[1] is 3") == 0);
  CHECK(refused(good, to, {}).find("workspace too small: exec.workspace.bytes") == 0);
  more = good;
  more.energy = {x, 4};
  CHECK(refused(more, to, cpu{.content = content::all, .workspace = {memory, sizeof memory}})
            .find("not a number: energy[3]") == 0);
  CHECK(refused({.score = {x + 2, 2}, .offsets = {o, 3}, .groups = {g, 2}}, to,
                cpu{.content = content::all, .workspace = {memory, sizeof memory}})
            .find("not a number: score[1]") == 0);
}
