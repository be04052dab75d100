# Swin-S with the paper's recipe, validated and tested with the exponential moving average of its weights. Settings are
# those of MMDetection's RTMDet: each step moves the average by 0.0002 of the difference, more in the first 2000 steps.
_base_ = "./cascade-mask-rcnn_swin-t_paper.py"

model = dict(backbone=dict(depths=[2, 2, 18, 2]))
# update_buffers averages the statistics of SyncBN as well. The hook runs before those that record the step.
custom_hooks = [
    dict(type="EMAHook", ema_type="ExpMomentumEMA", momentum=0.0002, gamma=2000, update_buffers=True, priority=49)
]
