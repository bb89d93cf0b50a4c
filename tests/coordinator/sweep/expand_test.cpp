#include "coordinator/sweep/expand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/coordinator/sweep/sweep_text.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

const std::string kHead = "version: 1\nsweep: demo\nbase: {model.path: m, data.path: d}\n";

std::vector<std::string> names(const ExpandedSweep& sweep) {
  std::vector<std::string> all;
  for (const PlannedRun& run : sweep.runs) all.push_back(run.name);
  return all;
}

const PlannedRun& run_named(const ExpandedSweep& sweep, const std::string& name) {
  for (const PlannedRun& run : sweep.runs) {
    if (run.name == name) return run;
  }
  throw std::out_of_range(name + "\n" + remarks(sweep));
}

TEST(Expand, NamedRunsKeepTheirOrderAndSeedsAreInnermost) {
  const auto sweep = expand_text(kHead + "seeds: [0, 2]\nruns: {b: {}, a: {unet.mode: lora}}\n");
  EXPECT_EQ(remarks(sweep), "");
  EXPECT_THAT(names(sweep), ElementsAre("b-s0", "b-s2", "a-s0", "a-s2"));
  EXPECT_EQ(sweep.cells, 2);
  EXPECT_EQ(sweep.trainings, 4);
  EXPECT_EQ(sweep.runs[1].seed, 2);
  EXPECT_EQ(sweep.runs[1].cell, "b");
}

TEST(Expand, OneSeedLeavesNamesBare) {
  EXPECT_THAT(names(expand_text(kHead + "runs: {b: {}}\n")), ElementsAre("b"));
}

TEST(Expand, TheFirstAxisIsSlowest) {
  const auto sweep = expand_text(kHead +
                                 "grid: {train.global_batch: [16, 32], unet.lr: [1e-5, 2e-5]}\n"
                                 "name: 'b{train.global_batch}-{unet.lr}'\n");
  EXPECT_THAT(names(sweep), ElementsAre("b16-1e-5", "b16-2e-5", "b32-1e-5", "b32-2e-5"))
      << remarks(sweep);
  EXPECT_EQ(sweep.runs[2].label, "b32 lr1e-5");
}

TEST(Expand, AnAxisIsAListAScalarOrValues) {
  const auto sweep =
      expand_text(kHead + "grid: {train.global_batch: {values: [16, 32]}, unet: {lr: 1e-5}}\n");
  EXPECT_EQ(sweep.runs.size(), 2u) << remarks(sweep);
  EXPECT_EQ(sweep.runs[0].config["unet.lr"], 1e-5);
}

TEST(Expand, HigherLayersWin) {
  const std::string text = R"(version: 1
sweep: demo
resources: {retries: 1}
base: {model.path: m, data.path: d, unet.lr: 1e-5, train.weight_decay: 0.5, resources.retries: 3}
studies:
  s:
    base: {unet: {lr: 2e-5}, train.eps: 1e-7}
    runs:
      plain: {}
      own: {unet.lr: 3e-5, train.weight_decay: null}
)";
  const auto sweep = expand_text(text);
  EXPECT_EQ(run_named(sweep, "plain").config["unet.lr"], 2e-5);
  EXPECT_EQ(run_named(sweep, "plain").config["train.weight_decay"], 0.5);
  EXPECT_EQ(run_named(sweep, "plain").config["resources.retries"], 3);
  EXPECT_EQ(run_named(sweep, "own").config["unet.lr"], 3e-5);
  EXPECT_EQ(run_named(sweep, "own").config["train.weight_decay"], 1e-2)
      << "null restores the default";
  const auto forced = expand_text(text, {"unet.lr=9e-5", "train.eps=1e-6", "train.eps=1e-5"});
  EXPECT_EQ(run_named(forced, "own").config["unet.lr"], 9e-5);
  EXPECT_EQ(run_named(forced, "own").config["train.eps"], 1e-5) << "the last --set wins";
}

TEST(Expand, MapsMergeAndListsReplace) {
  const auto sweep = expand_text(R"(version: 1
sweep: demo
base: {model.path: m, data.path: d, prompt.replace: {a: b}, samples.prompts: [x, y]}
runs: {one: {prompt.replace: {c: d}, samples.prompts: [z]}}
)");
  EXPECT_EQ(sweep.runs.at(0).config["prompt.replace"], json({{"a", "b"}, {"c", "d"}}))
      << remarks(sweep);
  EXPECT_EQ(sweep.runs.at(0).config["samples.prompts"], json::array({"z"}));
}

TEST(Expand, StepsAndEpochsClearEachOther) {
  const auto sweep = expand_text(R"(version: 1
sweep: demo
base: {model.path: m, data.path: d, train.epochs: 3}
runs: {long: {}, short: {train.steps: 10}}
)");
  EXPECT_EQ(run_named(sweep, "long").config["train.epochs"], 3);
  EXPECT_FALSE(run_named(sweep, "short").config.contains("train.epochs"));
  EXPECT_EQ(run_named(sweep, "short").config["train.steps"], 10);
}

TEST(Expand, ConfigHasDefaultsAndNothingInactiveOrNull) {
  const config::RunValues config =
      expand_text(kHead + "runs: {a: {text_encoders.mode: lora}}\n").runs.at(0).config;
  EXPECT_EQ(config["train.epochs"], 8);
  EXPECT_EQ(config["text_encoder_2.alpha"], 4.0);
  EXPECT_FALSE(config.contains("unet.rank"));
  const json flat = config.flat();
  for (const auto& [name, value] : flat.items()) EXPECT_FALSE(value.is_null()) << name;
}

TEST(Expand, OriginsNameFileLineOrSet) {
  const auto sweep = expand_text(kHead + "runs:\n  a:\n    unet.lr: 1e-5\n", {"train.eps=1e-6"});
  const json& origins = sweep.runs.at(0).origins.json();
  EXPECT_EQ(origins["unet.lr"], "sweep.yaml:6");
  EXPECT_EQ(origins["model.path"], "sweep.yaml:3");
  EXPECT_EQ(origins["train.eps"], "--set");
  EXPECT_FALSE(origins.contains("train.betas"));
}

TEST(Expand, RelativePathsKnowTheirFolder) {
  const auto sweep = expand_text(kHead + "runs: {a: {}}\n", {"data.path=../other"});
  EXPECT_EQ(sweep.runs.at(0).path_bases.json(),
            json({{"model.path", "/lab/sweeps"}, {"data.path", "/home/lab"}}));
  EXPECT_EQ(sweep.runs.at(0).config["data.path"], "../other") << "paths stay as written";
  const auto absolute = expand_text(kHead + "runs: {a: {data.path: /data}}\n");
  EXPECT_FALSE(absolute.runs.at(0).path_bases.json().contains("data.path"));
}

TEST(Expand, HashesIgnoreKeyOrderAndExecFields) {
  const auto one =
      expand_text(kHead + "runs: {a: {unet: {lr: 1e-5, mode: full}, train.eps: 1e-7}}\n");
  const auto two = expand_text(
      "sweep: demo\nversion: 1\nruns: {a: {train.eps: 1e-7, unet.mode: full, unet.lr: 0.00001,"
      " checkpoint.every: 7}}\nbase: {data.path: d, model.path: m}\n");
  EXPECT_EQ(one.runs.at(0).cell_hash, two.runs.at(0).cell_hash) << remarks(two);
  EXPECT_EQ(one.runs.at(0).run_hash, two.runs.at(0).run_hash);
  EXPECT_EQ(one.runs.at(0).judge_hash, two.runs.at(0).judge_hash);
  EXPECT_EQ(one.runs.at(0).cell_hash.size(), 64u);
}

TEST(Expand, HashesTellScienceJudgeAndSeedApart) {
  const auto sweep = expand_text(
      kHead + "seeds: [0, 1]\nruns: {a: {}, b: {unet.lr: 1e-6}, c: {samples.cfg: 2}}\n");
  const PlannedRun& a = run_named(sweep, "a-s0");
  EXPECT_EQ(a.cell_hash, run_named(sweep, "a-s1").cell_hash);
  EXPECT_NE(a.run_hash, run_named(sweep, "a-s1").run_hash);
  EXPECT_NE(a.cell_hash, run_named(sweep, "b-s0").cell_hash);
  EXPECT_EQ(a.cell_hash, run_named(sweep, "c-s0").cell_hash);
  EXPECT_NE(a.judge_hash, run_named(sweep, "c-s0").judge_hash);
  EXPECT_FALSE(run_named(sweep, "c-s0").alias_of) << "judged otherwise, so not the same row";
}

TEST(Expand, EqualRowsAreAliasesOfTheFirst) {
  const auto sweep = expand_text(kHead + R"(seeds: [0, 1]
runs: {a: {}, b: {unet.rank: null, unet.lr: 5e-5}, c: {checkpoint.every: 5}, d: {unet.lr: 1e-6}}
)");
  EXPECT_EQ(run_named(sweep, "b-s1").alias_of, "a-s1");
  EXPECT_EQ(run_named(sweep, "c-s0").alias_of, "a-s0");
  EXPECT_FALSE(run_named(sweep, "d-s0").alias_of);
  EXPECT_EQ(sweep.cells, 4);
  EXPECT_EQ(sweep.distinct_cells, 2);
  EXPECT_EQ(sweep.trainings, 4);
}

TEST(Expand, MemorableNamesAreStableAndUnique) {
  const std::string text = kHead + "grid: {unet.lr: [1e-5, 2e-5, 3e-5], train.eps: [1e-8, 1e-7]}\n";
  const auto sweep = expand_text(text);
  const auto again = expand_text(text);
  EXPECT_EQ(names(sweep), names(again));
  const auto all = names(sweep);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), 6u);
  for (const std::string& name : all) {
    EXPECT_THAT(name, ::testing::MatchesRegex("[a-z]+-[a-z]+-[0-9]+"));
  }
}

TEST(Expand, EqualCellsOfOneStudyGetTheNextNumber) {
  const auto sweep = expand_text(kHead + "grid: {checkpoint.every: [5, 6]}\n");
  ASSERT_EQ(sweep.runs.size(), 2u) << remarks(sweep);
  const std::string& first = sweep.runs[0].name;
  const std::string& second = sweep.runs[1].name;
  EXPECT_NE(first, second);
  EXPECT_EQ(first.substr(0, first.rfind('-')), second.substr(0, second.rfind('-')));
}

TEST(Expand, TextEncodersSpreadAndFoldBack) {
  const auto sweep =
      expand_text(kHead + "runs: {a: {text_encoders: {mode: lora, rank: 4}}, b: {}}\n");
  EXPECT_EQ(run_named(sweep, "a").config["text_encoder_1.rank"], 4);
  EXPECT_EQ(run_named(sweep, "a").config["text_encoder_2.rank"], 4);
  EXPECT_EQ(run_named(sweep, "a").axes.json(),
            json({{"text_encoders.mode", "lora"}, {"text_encoders.rank", 4}}));
  EXPECT_EQ(run_named(sweep, "a").label, "te-lora te4");
  EXPECT_EQ(run_named(sweep, "b").label, "te-frozen");
}

TEST(Expand, AParentInTheFileIsPairedBySeed) {
  const auto sweep = expand_text(kHead + R"(seeds: [0, 1]
runs:
  child: {parent: whale, unet.lr: 1e-6}
  whale: {}
  other: {model.path: {run: whale, checkpoint: best}}
)");
  EXPECT_EQ(remarks(sweep), "");
  const auto& parent = run_named(sweep, "child-s1").parent;
  ASSERT_TRUE(parent);
  EXPECT_EQ(parent->sweep, "demo");
  EXPECT_EQ(parent->cell, "whale");
  EXPECT_EQ(parent->seed, 1);
  EXPECT_EQ(parent->checkpoint, "last");
  EXPECT_FALSE(parent->any_seed);
  EXPECT_EQ(run_named(sweep, "other-s0").parent->checkpoint, "best");
  EXPECT_FALSE(run_named(sweep, "whale-s0").parent);
}

TEST(Expand, SeedsAreInheritedFromANamedParentAndFromAStudy) {
  const auto sweep = expand_text(kHead + R"(studies:
  later: {seeds: inherit, parent: {best: s}, runs: {c: {}}}
  s: {seeds: inherit, runs: {b: {parent: a, unet.lr: 1e-6}, d: {parent: a-s4, unet.lr: 1e-7}}}
  first: {seeds: [3, 4], runs: {a: {}}}
)");
  EXPECT_EQ(remarks(sweep), "");
  EXPECT_THAT(names(sweep), ElementsAre("c", "b-s3", "b-s4", "d", "a-s3", "a-s4"));
  EXPECT_EQ(run_named(sweep, "d").seed, 4);
  EXPECT_EQ(run_named(sweep, "c").seed, 4) << "the only seed that b and d share";
}

TEST(Expand, EachOfSeveralBestParentsMakesACellOfItsOwn) {
  const auto sweep = expand_text(kHead + R"(studies:
  s: {runs: {a: {}, b: {unet.lr: 1e-6}}}
  t: {parent: {best: s, k: 2, by: val/loss}, runs: {c: {unet.lr: 1e-7}}}
  u: {parent: {best: s}, name: "lr{unet.lr}", grid: {unet.lr: [1e-8, 1e-9]}}
)");
  EXPECT_EQ(remarks(sweep), "");
  EXPECT_THAT(names(sweep), ElementsAre("a", "b", "c-p1", "c-p2", "lr1e-8", "lr1e-9"));
  EXPECT_NE(run_named(sweep, "c-p1").cell_hash, run_named(sweep, "c-p2").cell_hash);
  EXPECT_EQ(run_named(sweep, "c-p2").config["model.path"], json({{"best", "s"},
                                                                 {"by", "val/loss"},
                                                                 {"checkpoint", "last"},
                                                                 {"index", 1},
                                                                 {"per_seed", true}}));
  EXPECT_EQ(run_named(sweep, "lr1e-8").parent->best->index, 0);
}

TEST(Expand, ABaselineIsNamedByItsStudy) {
  const auto sweep = expand_text(
      kHead +
      "studies: {s: {baseline: b, runs: {a: {}, b: {unet.lr: 1e-6}}}, t: {runs: {c: {}}}}\n");
  EXPECT_EQ(sweep.baselines, json({{"s", "b"}})) << remarks(sweep);
}

TEST(Expand, SetReplacesABestParent) {
  const auto sweep = expand_text(
      kHead + "studies: {s: {runs: {a: {}}}, t: {parent: {best: s, k: 1}, runs: {c: {}}}}\n",
      {"model.path=/models/x"});
  EXPECT_FALSE(run_named(sweep, "c").parent) << remarks(sweep);
}

TEST(Expand, AChildsHashFollowsItsParents) {
  const auto with_lr = [](const std::string& lr) {
    return expand_text(kHead + "runs: {p: {unet.lr: " + lr + "}, c: {parent: p}}\n");
  };
  EXPECT_NE(run_named(with_lr("1e-5"), "c").cell_hash, run_named(with_lr("2e-5"), "c").cell_hash);
}

TEST(Expand, AParentWithOneSeedServesEveryChild) {
  const auto sweep = expand_text(kHead + R"(studies:
  first: {seeds: [7], runs: {p: {}}}
  then: {seeds: [0, 1], runs: {c: {parent: p}}}
)");
  EXPECT_EQ(run_named(sweep, "c-s1").parent->seed, 7);
}

TEST(Expand, ASeedSuffixPicksTheParentsRun) {
  const auto sweep = expand_text(kHead + R"(seeds: [0, 3]
runs: {p: {}, c: {parent: p-s3}}
)");
  EXPECT_EQ(run_named(sweep, "c-s0").parent->seed, 3) << remarks(sweep);
  EXPECT_EQ(run_named(sweep, "c-s0").parent->cell, "p");
}

TEST(Expand, AParentThatIsAnAliasIsReplacedByItsTarget) {
  const auto sweep = expand_text(kHead + "runs: {p: {}, q: {}, c: {parent: q, unet.lr: 1e-6}}\n");
  EXPECT_EQ(run_named(sweep, "c").parent->cell, "p");
}

TEST(Expand, AParentInAnotherSweepIsLeftToTheCoordinator) {
  const auto sweep = expand_text(R"(version: 1
sweep: demo
base: {model.path: {run: tiny-base/unet, checkpoint: last}, data.path: d}
runs: {a: {}}
)");
  const auto& parent = run_named(sweep, "a").parent;
  ASSERT_TRUE(parent) << remarks(sweep);
  EXPECT_EQ(parent->sweep, "tiny-base");
  EXPECT_EQ(parent->cell, "unet");
  EXPECT_TRUE(parent->any_seed);
  EXPECT_FALSE(run_named(sweep, "a").path_bases.json().contains("model.path"));
}

TEST(Expand, AMemorableNameCanBeAParent) {
  const std::string text = kHead + "studies:\n  g: {grid: {unet.lr: [1e-5, 2e-5]}}\n";
  const std::string parent = expand_text(text).runs.at(1).name;
  const auto sweep = expand_text(text + "  c: {runs: {child: {parent: " + parent + "}}}\n");
  EXPECT_EQ(run_named(sweep, "child").parent->cell, parent) << remarks(sweep);
}

TEST(Expand, WhenExcludeIncludeAndZipMakeTheVector) {
  const auto sweep = expand_text(R"(version: 1
sweep: expansion-vector
seeds: [0, 1, 2]
base:
  model.path: m
  data.path: d
  unet: {mode: full, lr: 1e-5}
  text_encoders: {mode: lora, rank: 8, lr: 1e-4}
  train: {steps: 20000, global_batch: 64, micro_batch: auto}
studies:
  paper:
    runs:
      heart-rose-2: {}
      full-frozen-te: {text_encoders.mode: frozen}
      lora-lora: {unet: {mode: lora, rank: 256}, text_encoders.rank: 256}
      big-batch: {train.global_batch: 256}
  te_rank:
    grid: {unet.mode: [full, lora], text_encoders.rank: [4, 8, 64, 256]}
    when:
      - if: unet.mode == lora
        grid: {unet.rank: [16, 64, 256]}
    exclude: [{unet.rank: 16, text_encoders.rank: 256}]
    include: [{name: te-only, unet.mode: frozen, text_encoders.rank: 8}]
    name: "{unet.mode}{unet.rank}-te{text_encoders.rank}"
  batch:
    zip: {train.global_batch: [16, 64, 256], unet.lr: [5e-6, 1e-5, 2e-5]}
  vae_refine:
    parent: {best: paper, k: 2, checkpoint: best, per_seed: true}
    base: {unet.mode: frozen, text_encoders.mode: frozen, vae.mode: decoder}
    grid: {vae.histogram_weight: [0, 0.5, 1], vae.lr: [1e-5, 1e-4]}
    seeds: inherit
)");
  EXPECT_EQ(remarks(sweep), "");
  EXPECT_EQ(sweep.cells, 35);
  EXPECT_EQ(sweep.runs.size(), 105u);
  EXPECT_EQ(sweep.distinct_cells, 32);
  EXPECT_EQ(sweep.trainings, 96);
  EXPECT_EQ(run_named(sweep, "full-te8-s0").alias_of, "heart-rose-2-s0");
  EXPECT_EQ(run_named(sweep, "lora256-te256-s2").alias_of, "lora-lora-s2");
  EXPECT_EQ(sweep.runs[12].cell, "full-te4");
  EXPECT_EQ(sweep.runs[24].cell, "lora16-te4");
  EXPECT_EQ(sweep.runs[27].cell, "lora64-te4");
  const PlannedRun& second = sweep.runs[72];  // the first refinement of the second parent
  EXPECT_EQ(second.study, "vae_refine");
  EXPECT_EQ(second.label, "histogram_weight=0 lr=1e-5 from-paper#2");
  ASSERT_TRUE(second.parent && second.parent->best);
  EXPECT_EQ(*second.parent->best, (sweep::BestRef{"paper", "val/loss", 1, true}));
  EXPECT_EQ(second.parent->checkpoint, "best");
}

TEST(Expand, PromptFilesAreAskedForAndRead) {
  SweepSource source;
  source.text = kHead + "runs: {a: {samples.prompts: prompts.txt}}\n";
  source.file = "sweep.yaml";
  EXPECT_THAT(expand(source).needs_files, ElementsAre("prompts.txt"));
  source.files["prompts.txt"] = "a harbor\r\n\na field\n";
  const ExpandedSweep sweep = expand(source);
  EXPECT_TRUE(sweep.needs_files.empty());
  EXPECT_EQ(sweep.runs.at(0).config["samples.prompts"], json::array({"a harbor", "a field"}));
}

TEST(Expand, TheSameTextGivesTheSameBytes) {
  const std::string text =
      kHead + "seeds: [0, 1]\ngrid: {unet.lr: [1e-5, 2e-5], train.eps: [1e-8, 1e-7]}\n";
  const auto dump = [&] {
    std::string bytes;
    for (const PlannedRun& run : expand_text(text).runs) {
      bytes += run.name + run.label + run.run_hash + run.config.text() + run.origins.text() +
               run.axes.text();
    }
    return bytes;
  };
  EXPECT_EQ(dump(), dump());
}

TEST(Expand, ObjectiveAndReportHaveDefaults) {
  const auto sweep = expand_text(kHead + "runs: {a: {}}\n");
  EXPECT_EQ(sweep.objective_metric, "eval/kl_pooled");
  EXPECT_EQ(sweep.objective_goal, "minimize");
  EXPECT_THAT(sweep.report, ElementsAre("eval/kl_pooled", "val/loss", "train/gpu_hours"));
  EXPECT_THAT(sweep.studies, ElementsAre(""));
}

TEST(Expand, MetricsOfAJudgeAreThereForWhoNamesOneOrTrainsOne) {
  const std::string metrics =
      "objective: {metric: eval/clip_rank}\nreport: [eval/clip_rank, eval/cosine]\n";
  for (const char* runs :
       {"runs: {a: {}, b: {eval.clip: models/sar-clip}}\n", "runs: {a: {job: clip}}\n"}) {
    EXPECT_EQ(remarks(expand_text(kHead + metrics + runs)), "") << runs;
  }
  const auto sweep = expand_text(kHead + "runs: {a: {eval.clip: models/sar-clip}}\n");
  EXPECT_EQ(sweep.runs.at(0).path_bases.json().at("eval.clip"), "/lab/sweeps");
}

TEST(Expand, AClipJobHasALengthOfItsOwn) {
  const auto sweep =
      expand_text(kHead + "runs:\n  a: {job: clip}\n  b: {job: clip, clip.steps: 5}\n",
                  {"train.micro_batch=3"});
  EXPECT_EQ(remarks(sweep), "");
  const auto& a = run_named(sweep, "a").config;
  EXPECT_EQ(a["clip.epochs"], 8);
  EXPECT_TRUE(run_named(sweep, "b").config["clip.epochs"].is_null());
  for (const char* field : {"train.epochs", "train.global_batch", "prompt.dropout", "token.text",
                            "unet.lr", "eval.clip"}) {
    EXPECT_FALSE(a.contains(field)) << field;
  }
  EXPECT_EQ(expand_text(kHead + "runs: {a: {job: clip, clip: {steps: 5, epochs: 2}}}\n")
                .diagnostics.at(0)
                .code,
            "illegal_combination");
}

TEST(Expand, MaxRunsCountsTrainingsNotAliases) {
  const std::string three = "runs: {a: {}, b: {}, c: {unet.lr: 1e-6}, d: {unet.lr: 2e-6}}\n";
  EXPECT_EQ(expand_text(kHead + "limits: {max_runs: 3}\n" + three).trainings, 3);
  const auto over = expand_text(kHead + "limits: {max_runs: 2}\n" + three);
  EXPECT_TRUE(over.has_errors());
  EXPECT_TRUE(over.runs.empty());
}

TEST(Expand, TenThousandRunsAreTheLimit) {
  std::string seeds = "seeds: [0";
  for (int i = 1; i < 100; ++i) seeds += ", " + std::to_string(i);
  std::string axis = "grid: {unet.lr: [1";
  for (int i = 2; i <= 100; ++i) axis += ", " + std::to_string(i);
  const auto full = expand_text(kHead + seeds + "]\n" + axis + "]}\n");
  EXPECT_EQ(full.runs.size(), 10'000u) << remarks(full);
  const auto over = expand_text(kHead + seeds + ", 100]\n" + axis + "]}\n");
  EXPECT_TRUE(over.has_errors());
  EXPECT_TRUE(over.runs.empty());
}

}  // namespace
}  // namespace sarsweep::coordinator
