// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/loss/lists.cuh>
#include <loss/lists.hpp>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <cstring>
#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::device;
using prefer_test::lists;
using prefer_test::storage;
using prefer_test::stream;

namespace {

// Lists and their mirrors on the device.
template <class S>
struct mirrored {
  lists<S>& l;
  device<std::int32_t> offsets, ranking;
  device<S> score, grade, grad;
  device<bool> item_mask, mask;
  device<double> weight, losses, loss, count;

  explicit mirrored(lists<S>& h)
      : l(h),
        offsets(h.offsets),
        ranking(h.ranking),
        score(h.score),
        grade(h.grade),
        grad(h.grad),
        item_mask(h.item_mask),
        mask(h.mask),
        weight(h.weight),
        losses(h.losses),
        loss(h.loss),
        count(h.count) {}
  list_inputs<space::device> inputs(bool by_ranking) {
    list_inputs<space::device> in = {.score = score.read(),
                                     .offsets = offsets.read(),
                                     .item_mask = item_mask.read(),
                                     .weight = weight.read(),
                                     .mask = mask.read()};
    if (by_ranking)
      in.ranking = ranking.read();
    else
      in.grade = grade.read();
    return in;
  }
  template <class Loss>
  list_inputs<space::device> inputs_of(bool by_ranking) {
    auto in = inputs(by_ranking);
    if (Loss::order == prefer::list_order::none) in.grade = in.ranking = {};
    return in;
  }
  list_outputs<space::device> outputs() {
    return {.loss = loss.view(), .grad_score = grad.view(), .losses = losses.view(), .count = count.view()};
  }
  void fetch() { grad.fetch(), losses.fetch(), loss.fetch(), count.fetch(); }
};

template <class S, class Loss>
void check_lists(const char* name, const Loss& objective, bool by_ranking, bool ties = false) {
  stream s;
  lists<S> here(ties), there(ties);
  std::vector<double> memory(evaluate_lists_workspace(here.n, here.total) / sizeof(double));
  for (std::int64_t i = 0; i < here.total; ++i)
    if (!here.item_mask.at(i)) there.score.set(i, std::numeric_limits<double>::quiet_NaN());
  check(evaluate_lists(cpu{.workspace = {memory.data(), memory.size() * sizeof(double)}}, objective,
                       here.template inputs_of<Loss>(by_ranking), here.outputs()));
  mirrored<S> d(there);
  const prefer_test::device_workspace scratch(evaluate_lists_workspace(here.n, here.total));
  auto in = d.template inputs_of<Loss>(by_ranking);
  in.normalizer = 10.0;
  prefer_test::enqueues_only(name, 1, [&] {
    check(evaluate_lists(cuda{.stream = s.handle, .workspace = scratch.get()}, objective, in, d.outputs()));
  });
  s.wait();
  d.fetch();
  for (std::int64_t i = 0; i < here.n; ++i)
    CHECK(there.losses.get(i) == doctest::Approx(here.losses.get(i)).epsilon(1e-13));
  for (std::int64_t i = 0; i < here.total; ++i)
    CHECK(there.grad.get(i) ==
          doctest::Approx(here.grad.get(i)).epsilon(std::ldexp(1.0, 1 - storage<S>::digits) + 1e-13).scale(1));
  CHECK(there.loss.get(0) == doctest::Approx(here.loss.get(0)).epsilon(1e-13));
  CHECK(there.count.get(0) == 10);
  CHECK(there.grad.intact());
  check(evaluate_lists(cuda{s.handle}, objective, d.template inputs_of<Loss>(by_ranking),
                       d.outputs()));  // counts its lists itself
  s.wait();
  d.fetch();
  CHECK(there.loss.get(0) == doctest::Approx(here.loss.get(0)).epsilon(1e-13));
  covers<S>(name, "sizes");
  for (const char* tag : {"masked", "allocation"}) covers(name, tag);
}

template <class Loss>
void check_all(const char* name, const Loss& objective, bool by_ranking) {
  check_lists<double>(name, objective, by_ranking);
  check_lists<float>(name, objective, by_ranking);
  check_lists<half>(name, objective, by_ranking);
  check_lists<bfloat16>(name, objective, by_ranking);
}

}  // namespace

TEST_CASE("lists on CUDA: every loss as on the CPU, masked items and lists not read, one launch") {
  SUBCASE("plackett_luce") {
    check_all("plackett_luce", plackett_luce{.top = 3}, true);
    check_lists<double>("plackett_luce", plackett_luce{}, false, true);
  }
  SUBCASE("ranknet") { check_all("ranknet", ranknet{}, false); }
  SUBCASE("meta_rm_difference") { check_all("meta_rm_difference", meta_rm_difference{}, false); }
  SUBCASE("gvpo") { check_all("gvpo", gvpo{}, false); }
  SUBCASE("real_classes") { check_all("real_classes", real_classes{.tau = 0.75, .threshold = -2.5}, false); }
  SUBCASE("ranknet_skipwise") { check_all("ranknet_skipwise", ranknet_skipwise{}, true); }
}

TEST_CASE("a ranking that is no permutation and offsets that decrease make their lists NaN and are reported") {
  stream s;
  lists<double> l;
  for (std::int64_t i = 0; i < l.n; ++i) l.mask.at(i) = true;
  l.ranking.at(4) = l.ranking.at(5);  // list 3
  mirrored<double> d(l);
  buffer<unsigned char> word(sizeof(content_report));
  for (std::size_t i = 0; i < sizeof(content_report); ++i) word.data()[i] = 0xff;
  device<unsigned char> report(word);
  check(evaluate_lists(cuda{.stream = s.handle, .report = reinterpret_cast<content_report*>(report.data())},
                       plackett_luce{}, d.inputs(true), d.outputs()));
  s.wait();
  d.fetch(), report.fetch();
  content_report got;
  std::memcpy(&got, word.data(), sizeof got);
  CHECK(got.code() == errc::bad_index);
  CHECK(got.index() == 3);
  for (std::int64_t i = 0; i < l.n; ++i) CHECK(std::isnan(l.losses.get(i)) == (i == 3));
  const prefer_test::device_workspace little(64);
  CHECK(
      evaluate_lists(cuda{.stream = s.handle, .workspace = little.get()}, plackett_luce{}, d.inputs(true), d.outputs())
          .code == errc::small_workspace);
  CHECK(evaluate_lists(cuda{s.handle}, plackett_luce{.top = -1}, d.inputs(true), d.outputs()).code ==
        errc::bad_parameter);
  for (const char* name :
       {"plackett_luce", "ranknet", "ranknet_skipwise", "meta_rm_difference", "gvpo", "real_classes"})
    covers(name, "bad-argument");
}
