# Swin-S with the paper's heads, large-scale jitter and 100 epochs. Each image is resized to 0.1 to 2.0 times 1024 x
# 1024, cropped to that size and padded to it. Augmentation as in MMDetection's strong_baselines, learning rate drops as
# in detectron2's new_baselines and ViTDet; optimizer, learning rate and batch are the paper's.
_base_ = "./cascade-mask-rcnn_swin-t_paper.py"

image_size = (1024, 1024)
model = dict(
    data_preprocessor=dict(batch_augments=[dict(type="BatchFixedSizePad", size=image_size, pad_mask=True)]),
    backbone=dict(depths=[2, 2, 18, 2]),
    # With 0, as in MMDetection's cascades, training ends at an image that is smaller than every anchor.
    train_cfg=dict(rpn=dict(allowed_border=-1)),
)

train_pipeline = [
    dict(type="LoadImageFromFile", backend_args=None),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    dict(type="RandomResize", scale=image_size, ratio_range=(0.1, 2.0), keep_ratio=True),
    dict(
        type="RandomCrop",
        crop_type="absolute_range",
        crop_size=image_size,
        recompute_bbox=True,
        allow_negative_crop=True,
    ),
    # Draws another image if no object is left: batch norm of the heads needs boxes.
    dict(type="FilterAnnotations", min_gt_bbox_wh=(1e-2, 1e-2)),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
# All images have one size, so batches need no grouping by orientation.
train_dataloader = dict(batch_sampler=None, dataset=dict(pipeline=train_pipeline))

train_cfg = dict(max_epochs=100)
param_scheduler = [
    _base_.param_scheduler[0],
    # 163,889 and 177,546 of 184,375 steps there.
    dict(_base_.param_scheduler[1], end=100, milestones=[89, 96]),
]
