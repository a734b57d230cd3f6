// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/adversarial_hinge.hpp>
#include <prefer/loss/apo.hpp>
#include <prefer/loss/bco.hpp>
#include <prefer/loss/bradley_terry.hpp>
#include <prefer/loss/cpo.hpp>
#include <prefer/loss/kto.hpp>
#include <prefer/loss/unpaired.hpp>
#include <prefer/loss/diffusion_kto.hpp>
#include <prefer/loss/regret.hpp>
#include <prefer/loss/reinforce.hpp>
#include <prefer/loss/cpl.hpp>
#include <prefer/loss/d3po.hpp>
#include <prefer/loss/diffusion_dpo.hpp>
#include <prefer/loss/discopop.hpp>
#include <prefer/loss/dpo.hpp>
#include <prefer/loss/dpop.hpp>
#include <prefer/loss/egpo_pair.hpp>
#include <prefer/loss/exo.hpp>
#include <prefer/loss/f_dpo.hpp>
#include <prefer/loss/focal_ranking.hpp>
#include <prefer/loss/hinge.hpp>
#include <prefer/loss/inpo_pair.hpp>
#include <prefer/loss/ipo.hpp>
#include <prefer/loss/ipo_md.hpp>
#include <prefer/loss/iql.hpp>
#include <prefer/loss/length_normalized_dpo.hpp>
#include <prefer/loss/nash_md_pg.hpp>
#include <prefer/loss/nca.hpp>
#include <prefer/loss/nll.hpp>
#include <prefer/loss/orpo.hpp>
#include <prefer/loss/policy_gradient.hpp>
#include <prefer/loss/policy_kl.hpp>
#include <prefer/loss/ppo.hpp>
#include <prefer/loss/r_dpo.hpp>
#include <prefer/loss/rare_positive.hpp>
#include <prefer/loss/reward_feedback.hpp>
#include <prefer/loss/robust_dpo.hpp>
#include <prefer/loss/sapo.hpp>
#include <prefer/loss/seppo.hpp>
#include <prefer/loss/simper.hpp>
#include <prefer/loss/simpo.hpp>
#include <prefer/loss/slic.hpp>
#include <prefer/loss/sppo.hpp>
#include <prefer/loss/tdpo.hpp>
#include <prefer/loss/wpo.hpp>

// Every loss that `evaluate` takes, with its defaults: f(name, loss). The sweeps and the cost model go through it.
namespace bench {

template <class F>
void each_loss(F f) {
  f("dpo", prefer::dpo{});
  f("bradley_terry", prefer::bradley_terry{});
  f("rao_kupper", prefer::rao_kupper{});
  f("davidson", prefer::davidson{});
  f("apo_zero", prefer::apo_zero{});
  f("apo_down", prefer::apo_down{});
  f("bco", prefer::bco{});
  f("mean_reward", prefer::mean_reward{});
  f("cpo", prefer::cpo{});
  f("d3po", prefer::d3po{});
  f("diffusion_dpo", prefer::diffusion_dpo{});
  f("discopop", prefer::discopop{});
  f("dpop", prefer::dpop{});
  f("exo", prefer::exo{});
  f("alpha_dpo", prefer::alpha_dpo{});
  f("js_dpo", prefer::js_dpo{});
  f("hinge", prefer::hinge{});
  f("ipo", prefer::ipo{});
  f("length_normalized_dpo", prefer::length_normalized_dpo{});
  f("nca", prefer::nca{});
  f("nll", prefer::nll{});
  f("orpo", prefer::orpo{});
  f("r_dpo", prefer::r_dpo{});
  f("robust_dpo", prefer::robust_dpo{});
  f("seppo", prefer::seppo{});
  f("simper", prefer::simper{});
  f("simpo", prefer::simpo{});
  f("alphapo", prefer::alphapo{});
  f("slic", prefer::slic{});
  f("sppo", prefer::sppo{});
  f("tdpo", prefer::tdpo{});
  f("wpo_weight", prefer::wpo_weight{});
  f("kto", prefer::kto{});
  f("mean_log_ratio", prefer::mean_log_ratio{});
  f("bco_unpaired", prefer::bco_unpaired{});
  f("sppo_soft", prefer::sppo_soft{});
  f("diffusion_kto", prefer::diffusion_kto{});
  f("nash_md_pg", prefer::nash_md_pg{});
  f("reinforce", prefer::reinforce{});
  f("ipo_md", prefer::ipo_md{});
  f("egpo_pair", prefer::egpo_pair{});
  f("inpo_pair", prefer::inpo_pair{});
  f("partial_return", prefer::partial_return{});
  f("regret", prefer::regret{});
  f("weighted_return", prefer::weighted_return{});
  f("cpl", prefer::cpl{});
  f("focal_ranking", prefer::focal_ranking{});
  f("score_barrier", prefer::score_barrier{});
  f("score_hinge", prefer::score_hinge{});
  f("reward_hinge", prefer::reward_hinge{});
  f("reward_linear", prefer::reward_linear{});
  f("adversarial_hinge", prefer::adversarial_hinge{});
  f("rare_positive", prefer::rare_positive{});
  f("iql_value", prefer::iql_value{});
  f("iql_q", prefer::iql_q{});
  f("iql_policy", prefer::iql_policy{});
  f("ppo", prefer::ppo{});
  f("gspo", prefer::gspo{});
  f("policy_gradient", prefer::policy_gradient{});
  f("cispo", prefer::cispo{});
  f("topr", prefer::topr{});
  f("dppo", prefer::dppo{});
  f("vespo", prefer::vespo{});
  f("sapo", prefer::sapo{});
  f("policy_kl", prefer::policy_kl{});
  f("unbiased_policy_kl", prefer::unbiased_policy_kl{});
}

}  // namespace bench
