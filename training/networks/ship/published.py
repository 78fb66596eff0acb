"""The checkpoint that SHIP's authors published, in our names."""

import re
from collections.abc import Callable, Mapping

from torch import Tensor

# Theirs on the left, ours on the right; applied in order to every key of their file.
NAMES: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    (r"^vis\.", "visible_features."),
    (r"^inf\.", "infrared_features."),
    (r"_features\.conv\.", "_features.lift."),
    (r"\.block([12])\.", r".edge\1."),
    (r"\.Res\.", ".residual."),
    (r"\.CDC\.HP_branch$", ".difference.mix"),
    (r"\.CDC\.h_conv\.conv\.weight$", ".difference.cross"),
    (r"\.CDC\.d_conv\.conv\.weight$", ".difference.diagonal"),
    (r"^interaction(\d)", lambda m: f"interactions.{int(m[1]) - 1}"),
    (r"\.reflashFused(\d)\.", lambda m: f".refine_fused.{int(m[1]) - 1}."),
    (r"\.reflashInfrared(\d)\.", lambda m: f".refine_infrared.{int(m[1]) - 1}."),
    (r"\.reflashChaAtten(\d)\.", lambda m: f".refine_attention.{int(m[1]) - 1}."),
    (r"\.chaAtten\.", ".attention."),
    (r"\.norm1\.body\.", ".norm."),
    (r"\.norm(\d)\.body\.", lambda m: f".norms.{int(m[1]) - 2}."),
    (r"\.channel\.postprocess\.0\.", ".channel.mix."),
    (r"\.channel\.postprocess\.1\.", ".channel.project."),
    (r"^postprocess\.0\.", "merge."),
    (r"^postprocess\.1\.", "project."),
    (r"\.F\.conv", ".shift_first.conv"),
    (r"\.G\.conv", ".shift_rest.conv"),
    (r"\.H\.conv", ".scale_rest.conv"),
    (r"\.conv([12])\.identity\.", r".unit\1.identity."),
    (r"\.conv([12])\.norm\.", r".unit\1.norm."),
    (r"\.conv([12])\.conv_([12])\.", r".unit\1.conv\2."),
    (r"((?:shift|scale)_\w+)\.conv3\.", r"\1.merge."),
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
    """Their tensors under our names, in our shapes."""
    renamed = {}
    for key, value in tensors.items():
        for pattern, ours in NAMES:
            key = re.sub(pattern, ours, key)
        if key.endswith((".cross", ".diagonal")) and value.ndim == 4:
            value = value.squeeze(2)  # (C, C, 1, 5) -> (C, C, 5)
        renamed[key] = value
    return renamed
