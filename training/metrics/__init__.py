"""Metrics of fused images, by the names that the field's tables use.

    from training.metrics import METRICS
    METRICS["Qabf"](fused, visible, infrared, convention="cddfuse")

Grey images are those of `training.data.grey`, the fused ones included: with 0.299R + 0.587G +
0.114B, rounded, of fused and visible 8-bit colour frames the field's figures are met.
"""

from training.metrics.beads import edge_beads
from training.metrics.contrast import average_gradient, spatial_frequency, standard_deviation
from training.metrics.correlation import correlation, sum_of_correlations_of_differences
from training.metrics.edges import artifacts, edge_transfer, edge_transfer_cddfuse
from training.metrics.features import feature_mutual_information
from training.metrics.information import (
    entropy,
    mutual_information,
    mutual_information_cddfuse,
    normalised_mutual_information,
)
from training.metrics.metric import CONVENTIONS, Convention, Metric
from training.metrics.similarity import (
    information_fidelity,
    information_fidelity_cddfuse,
    multiscale_similarity,
    peak_ratio,
    peak_ratio_cddfuse,
    similarity,
    similarity_cddfuse,
)

__all__ = ["CONVENTIONS", "METRICS", "Convention", "Metric"]

METRICS = {
    "EN": Metric(entropy, unit="bit"),
    "SD": Metric(standard_deviation, unit="level"),
    "SF": Metric(spatial_frequency, unit="level"),
    "AG": Metric(average_gradient, unit="level"),
    "MI": Metric(mutual_information, mutual_information_cddfuse, unit="bit", cddfuse_unit="nat"),
    "NMI": Metric(normalised_mutual_information),
    "SCD": Metric(sum_of_correlations_of_differences),
    "CC": Metric(correlation),
    "PSNR": Metric(peak_ratio, peak_ratio_cddfuse, unit="dB", cddfuse_unit="dB"),
    "SSIM": Metric(similarity, similarity_cddfuse),
    "MS-SSIM": Metric(multiscale_similarity),
    "VIF": Metric(information_fidelity, information_fidelity_cddfuse),
    "Qabf": Metric(edge_transfer, edge_transfer_cddfuse),
    "N_abf": Metric(artifacts, higher_is_better=False),
    "FMI": Metric(feature_mutual_information),
    "edge beads": Metric(edge_beads, higher_is_better=False, unit="%"),
}
