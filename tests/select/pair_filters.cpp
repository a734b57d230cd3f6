// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <select/pairs.hpp>
#include <support/allocations.hpp>

using namespace prefer;
using namespace prefer_test;

namespace {

template <class S>
void check_all() {
  check_curation<S, host_side>(), check_consistency<S, host_side>(), check_consequence<S, host_side>();
  check_votes<S, host_side>();
}

}  // namespace

TEST_CASE("curation, consistency, consequences and votes are their definitions") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
}

TEST_CASE("by hand: how many examples a confidence asks for, and never none") {
  covers("curate_pairs", "identity");
  const double p[] = {0.3, 0.5, 0.51, 0.9, 0.99};
  double chosen[7], zero[7] = {};
  int examples[7];
  for (int i = 0; i < 5; ++i) chosen[i] = std::log(p[i] / (1 - p[i]));
  chosen[5] = 60, chosen[6] = 5000;  // where p is 1 in double
  check(curate(cpu{}, {}, {.chosen = {chosen, 7}, .rejected = {zero, 7}}, {.examples = {examples, 7}}));
  const int expected[] = {8, 8, 4, 1, 1, 1, 1};
  for (int i = 0; i < 7; ++i) CHECK(examples[i] == expected[i]);
}

TEST_CASE("by hand: a judge that is right often enough keeps its right answers; equal means keep nothing") {
  covers("consistency_filter", "identity"), covers("validate_by_consequence", "identity");
  const bool label[] = {true, true, true};
  const auto kept = [&](std::vector<std::uint8_t> predicted, const consistency_filter& options) {
    std::vector<std::uint8_t> mask(3);
    check(select(cpu{}, options, {.predicted = {predicted.data(), 3}, .label = {label, 3}},
                 {.selected = {.mask = {mask.data(), 3}}}));
    return mask;
  };
  using flags = std::vector<std::uint8_t>;
  CHECK(kept({1, 0, 1}, {}) == flags{1, 0, 1});
  CHECK(kept({1, 0, 0}, {}) == flags{0, 0, 0});
  CHECK(kept({1, 0, 0}, {.accuracy = 0.0}) == flags{1, 0, 0});
  CHECK(kept({0, 0, 0}, {.accuracy = 0.0}) == flags{0, 0, 0});
  const float chosen[] = {3, 1, 3, 1}, rejected[] = {2, 2, 2, 1};
  bool mask[2];
  double difference[2], error[2];
  check(validate_by_consequence(cpu{}, {.chosen = {chosen, 2, 2}, .rejected = {rejected, 2, 2}},
                                {.mask = {mask, 2}, .difference = {difference, 2}, .standard_error = {error, 2}}));
  CHECK((!mask[0] && mask[1] && difference[0] == 0 && difference[1] == 0.5 && error[0] == 1));
  CHECK(error[1] == doctest::Approx(std::sqrt(1.25)));
}

TEST_CASE("by hand: three of five decide, two of four do not; votes go on to the consistency filter") {
  const bool votes[] = {1, 1, 0, 0, 1, 1, 1, 0, 0, 0}, mask[] = {1, 1, 1, 1, 0, 1, 1, 1, 1, 1};
  double label[2], share[2];
  bool majority[2], decided[2];
  check(majority_vote(cpu{}, {.votes = {votes, 2, 5}},
                      {.label = {label, 2}, .majority = {majority, 2}, .decided = {decided, 2}, .share = {share, 2}}));
  CHECK((label[0] == 1 && label[1] == 0 && share[0] == 0.6 && share[1] == 0.4 && decided[0] && decided[1]));
  bool kept[2];
  const bool truth[] = {true, true};
  check(select(cpu{}, consistency_filter{}, {.predicted = {majority, 2}, .label = {truth, 2}},
               {.selected = {.mask = {kept, 2}}}));
  CHECK((kept[0] && !kept[1]));
  check(majority_vote(cpu{}, {.votes = {votes, 2, 5}, .mask = {mask, 2, 5}},
                      {.label = {label, 2}, .majority = {majority, 2}, .decided = {decided, 2}}));
  CHECK((label[0] == 0.5 && !majority[0] && !decided[0] && label[1] == 0 && decided[1]));
  // Exchanging the sides of all votes exchanges the label.
  bool other[10];
  for (int i = 0; i < 10; ++i) other[i] = !votes[i];
  check(majority_vote(cpu{}, {.votes = {other, 2, 5}}, {.label = {label, 2}, .share = {share, 2}}));
  CHECK((label[0] == 0 && label[1] == 1 && share[0] == 0.4));
  covers("majority_vote", "identity");
}

TEST_CASE("filters: the same bits for any threads, nothing allocated") {
  constexpr std::int64_t n = 50000;
  std::vector<float> a(n), b(n), x(n), y(n);
  std::vector<std::uint8_t> flags(n), kept(n), again(n);
  noise random(3);
  for (std::size_t i = 0; i < a.size(); ++i)
    a[i] = static_cast<float>(random.uniform(-2, 2)), b[i] = static_cast<float>(random.uniform(-2, 2)),
    flags[i] = i % 3 != 0;
  const auto run = [&](const cpu& exec, std::vector<float>& to, std::vector<std::uint8_t>& mask) {
    status s = curate(exec, {}, {.chosen = {a.data(), n}, .rejected = {b.data(), n}}, {.confidence = {to.data(), n}});
    if (s.ok())
      s = select(exec, consistency_filter{},
                 {.predicted = {flags.data(), n}, .label = {flags.data(), n}, .groups = {.size = 50}},
                 {.selected = {.mask = {mask.data(), n}}});
    if (s.ok())
      s = validate_by_consequence(exec, {.chosen = {a.data(), n / 5, 5}, .rejected = {b.data(), n / 5, 5}},
                                  {.difference = {to.data(), n / 5}});
    if (s.ok())
      s = majority_vote(exec, {.votes = {flags.data(), n / 5, 5}}, {.share = {to.data() + n / 5, n / 5}});
    return s;
  };
  const long before = allocation_count();
  const status s = run(cpu{}, x, kept);
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    check(run(cpu{.pool = pool}, y, again));
    CHECK((x == y && kept == again));
  }
  for (const char* name : {"curate_pairs", "consistency_filter", "validate_by_consequence", "majority_vote"})
    covers(name, "threads"), covers(name, "allocation");
}

TEST_CASE("filters name what is wrong") {
  float x[4] = {};
  bool flag[4] = {}, kept[4];
  std::int64_t k[4];
  const curation_inputs<space::host> pairs = {.chosen = {x, 2}, .rejected = {x + 2, 2}};
  CHECK(refused_argument(curate(cpu{}, {.most_examples = 0}, pairs, {.examples = {k, 2}})) == "most_examples");
  CHECK(refused_argument(curate(cpu{}, {}, {.rejected = {x, 2}}, {.examples = {k, 2}})) == "chosen");
  CHECK(refused_argument(curate(cpu{}, {}, {.chosen = {x, 2}}, {.examples = {k, 2}})) == "rejected");
  CHECK(refused_argument(curate(cpu{}, {}, pairs, {})) == "outputs");
  CHECK(refused_argument(curate(cpu{}, {}, pairs, {.consistent = {kept, 2}})) == "gold_chosen");
  CHECK(refused_argument(curate(cpu{}, {}, pairs, {.examples = {k, 3}})) == "examples");
  CHECK(refused_argument(curate(cpu{}, {}, pairs, {.confidence = {x, 2}})) == "confidence");
  const consistency_inputs<space::host> judged = {.predicted = {flag, 4}, .label = {flag, 4}};
  CHECK(refused_argument(select(cpu{}, consistency_filter{.accuracy = -1.0}, judged, {.accuracy = {x, 1}})) ==
        "accuracy");
  CHECK(refused_argument(select(cpu{}, consistency_filter{}, {.label = {flag, 4}}, {.accuracy = {x, 1}})) ==
        "predicted");
  CHECK(refused_argument(select(cpu{}, consistency_filter{}, {.predicted = {flag, 4}}, {.accuracy = {x, 1}})) ==
        "label");
  CHECK(refused_argument(select(cpu{}, consistency_filter{}, judged, {})) == "outputs");
  CHECK(refused_argument(select(cpu{}, consistency_filter{}, judged, {.accuracy = {x, 2}})) == "accuracy");
  const consequence_inputs<space::host> revised = {.chosen = {x, 2, 2}, .rejected = {x, 2, 2}};
  CHECK(refused_argument(validate_by_consequence(cpu{}, {.rejected = {x, 2, 2}}, {.mask = {kept, 2}})) == "chosen");
  CHECK(refused_argument(validate_by_consequence(cpu{}, {.chosen = {x, 2, 2}}, {.mask = {kept, 2}})) == "rejected");
  CHECK(refused_argument(validate_by_consequence(cpu{}, {.chosen = {x, 2, 0}, .rejected = {x, 2, 2}},
                                                 {.mask = {kept, 2}})) == "chosen");
  CHECK(refused_argument(validate_by_consequence(cpu{}, revised, {})) == "outputs");
  CHECK(refused_argument(validate_by_consequence(cpu{}, revised, {.mask = {kept, 3}})) == "mask");
  const vote_inputs<space::host> judgements = {.votes = {flag, 2, 2}};
  CHECK(refused_argument(majority_vote(cpu{}, {}, {.label = {x, 2}})) == "votes");
  CHECK(refused_argument(majority_vote(cpu{}, {.votes = {x, 2, 2}}, {.label = {x, 2}})) == "votes");
  CHECK(refused_argument(majority_vote(cpu{}, {.votes = {flag, 2, 0}}, {.label = {x, 2}})) == "votes");
  CHECK(refused_argument(majority_vote(cpu{}, {.votes = {flag, 2, 2}, .mask = {flag, 2, 1}}, {.label = {x, 2}})) ==
        "mask");
  CHECK(refused_argument(majority_vote(cpu{}, judgements, {})) == "outputs");
  CHECK(refused_argument(majority_vote(cpu{}, judgements, {.label = {x, 3}})) == "label");
  CHECK(refused_argument(majority_vote(cpu{}, judgements, {.decided = {flag, 2}})) == "decided");
  for (const char* name : {"curate_pairs", "consistency_filter", "validate_by_consequence", "majority_vote"})
    covers(name, "bad-argument");
}
