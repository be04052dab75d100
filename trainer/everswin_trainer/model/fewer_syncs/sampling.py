"""Samples boxes with one copy from the GPU per image and stage."""

from typing import Any

import torch
from mmdet.models.task_modules.assigners import AssignResult
from mmdet.models.task_modules.samplers import RandomSampler, SamplingResult
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData
from torch import Tensor


@TASK_UTILS.register_module()
class FewerSyncsRandomSampler(RandomSampler):
    """Chooses among the assigned boxes on the CPU, where MMDetection draws its random numbers as well."""

    def sample(
        self, assign_result: AssignResult, pred_instances: InstanceData, gt_instances: InstanceData, **_settings: Any
    ) -> SamplingResult:
        priors, boxes = pred_instances.priors, gt_instances.bboxes
        if type(priors) is not Tensor or type(boxes) is not Tensor:
            return super().sample(assign_result, pred_instances, gt_instances)
        given = len(boxes) if self.add_gt_as_proposals else 0
        if given > 0:
            priors = torch.cat([boxes, priors])
            assign_result.add_gt_(gt_instances.labels)
        is_given = torch.arange(len(priors), device=priors.device) < given
        # The only sync: 1 positive, 0 background, -1 ignored.
        on_host = AssignResult(len(boxes), assign_result.gt_inds.sign().to(torch.int8).cpu(), None, None)
        positive = self._sample_pos(on_host, int(self.num * self.pos_fraction)).unique()
        negative = self._sample_neg(on_host, self._negatives(len(positive))).unique()
        chosen = torch.cat([positive, negative]).to(priors.device, non_blocking=True)
        result = SamplingResult(
            pos_inds=chosen[: len(positive)],
            neg_inds=chosen[len(positive) :],
            priors=priors,
            gt_bboxes=boxes,
            assign_result=assign_result,
            gt_flags=is_given.to(torch.uint8),
        )
        # Number of objects among the positives. They come first, because the indices ascend.
        result.num_given = int((positive < given).sum())
        return result

    def random_choice(self, gallery: Tensor, num: int) -> Tensor:
        """Draws as MMDetection does, from candidates on the CPU."""
        return gallery[torch.randperm(len(gallery))[:num]]

    def _negatives(self, positives: int) -> int:
        wanted = self.num - positives
        return wanted if self.neg_pos_ub < 0 else min(wanted, int(self.neg_pos_ub * max(1, positives)))


def count_given(result: SamplingResult) -> int:
    """Returns how many positives are objects themselves. Syncs for the result of another sampler."""
    return result.num_given if hasattr(result, "num_given") else int(result.pos_is_gt.sum())
