"""The checkpoint that FISCNet's authors published, in our names."""

import re
from collections.abc import Callable, Mapping

from torch import Tensor

# Edge blocks of the first level that its forward pass does not use, never trained, in part not even
# initialised: one of them is 3.5e13.
DEAD = {
    f"correction1.{source}.{part}"
    for source in ("vis", "inf")
    for part in (
        *(
            f"{conv}.{kind}"
            for conv in ("process", "Res.0", "Res.2")
            for kind in ("weight", "bias")
        ),
        *("CDC.HP_branch", "CDC.h_conv.conv.weight", "CDC.d_conv.conv.weight"),
    )
}

# Theirs on the left, ours on the right; applied in order to every key of their file.
NAMES: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    (r"^correction1\.fused\.", "lift."),
    (r"^correction1\.", ""),
    (r"^correction(\d)\.", lambda m: f"levels.{int(m[1]) - 2}."),
    (r"interaction\.fused\.", "interaction.mix."),
    (r"interaction\.spa_att_vis\.", "interaction.visible.where."),
    (r"interaction\.spa_att_inf\.", "interaction.infrared.where."),
    (r"interaction\.cha_att_vis\.", "interaction.visible.gate."),
    (r"interaction\.cha_att_inf\.", "interaction.infrared.gate."),
    (r"interaction\.post_vis\.", "interaction.visible.merge."),
    (r"interaction\.post_inf\.", "interaction.infrared.merge."),
    (r"interaction\.post\.", "interaction.merge."),
    (r"\.vis\.", ".visible."),
    (r"\.inf\.", ".infrared."),
    (r"\bRes\.", "residual."),
    (r"\bCDC\.HP_branch$", "difference.mix"),
    (r"\bCDC\.h_conv\.conv\.weight$", "difference.cross"),
    (r"\bCDC\.d_conv\.conv\.weight$", "difference.diagonal"),
    (r"\.F\.", ".shift_first."),
    (r"\.G\.", ".shift_rest."),
    (r"\.H\.", ".scale_rest."),
    (r"\.ops\.conv3\.", ".dense.merge."),
    (r"\.ops\.conv([12])\.conv_([12])\.", r".dense.unit\1.conv\2."),
    (r"\.ops\.conv([12])\.", r".dense.unit\1."),
    (r"\.fusepool\.1\.", ".squeeze.0."),
    (r"\.fc(\d)\.", lambda m: f".weigh.{int(m[1]) - 1}."),
    (r"\.fuse\.", ".merge."),
    (r"\.invconv\.p$", ".mixing.permutation"),
    (r"\.invconv\.sign_s$", ".mixing.sign"),
    (r"\.invconv\.log_s$", ".mixing.log_scale"),
    (r"\.invconv\.", ".mixing."),
    (r"^reconstruction\.conv_in\.", "head."),
    (r"^reconstruction\.conv_last\.", "output."),
    (r"^reconstruction\.process\.(\d)\.", lambda m: f"attention{int(m[1]) + 1}."),
    (r"\.conv_du\.", ".gate."),
]


def read(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their tensors under our names, in our shapes, without the dead ones."""
    renamed = {}
    for key, value in tensors.items():
        if key in DEAD:
            continue
        for pattern, ours in NAMES:
            key = re.sub(pattern, ours, key)
        if key.endswith((".cross", ".diagonal")) and value.ndim == 4:
            value = value.squeeze(2)  # (C, C, 1, 5) -> (C, C, 5)
        renamed[key] = value
    return renamed
