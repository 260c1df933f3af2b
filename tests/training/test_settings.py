"""The table of settings holds every field of every training, in words."""

from dataclasses import fields

from test_fit import make_split

from helpers.training import recipes


def test_settings_leave_nothing_out():
    split = make_split()
    asked = {
        "fast": recipes.fast("fast_b", split, options={"width": 0.5}),
        "published": recipes.published("nf264_deep", split, schedule="plateau", schedule_options={"minimum": 1e-5}),
    }
    asked["adam"] = recipes.published("hdr_cnn", split)
    table = recipes.settings(asked)
    assert table.index.tolist() == ["fast", "published", "adam"]
    assert table.columns.tolist() == [f.name for f in fields(asked["fast"])]
    fast, published = table.loc["fast"], table.loc["published"]
    assert fast["augmentation"] == "rotation 10, zoom 0.1, shift 2, shear 0"
    assert (fast["options"], fast["nesterov"], fast["weight_decay"]) == ("width 0.5", "True", "0.0005")
    assert (published["augmentation"], published["options"], published["nesterov"]) == ("none", "none", "False")
    assert (published["schedule_options"], published["batch_size"]) == ("minimum 1e-05", "64")
    assert fast["steps_per_epoch"] == "one pass"
    assert fast["split"] == published["split"] == split.name
    assert table.loc[["published", "adam"], "momentum"].tolist() == ["0.9", "none"]
