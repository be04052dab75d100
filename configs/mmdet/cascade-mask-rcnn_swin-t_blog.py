# Cascade Mask R-CNN with Swin-T and a 3x schedule, as trained by the blog post: MMDetection's standard heads, mixed
# precision, 4 GPUs x 2 images. Inherits from the installed wheel; data, weights, classes, batch and seed come from the
# plan.
_base_ = [
    "mmdet::_base_/models/cascade-mask-rcnn_r50_fpn.py",
    "mmdet::_base_/datasets/coco_instance.py",
    "mmdet::_base_/schedules/schedule_1x.py",
    "mmdet::_base_/default_runtime.py",
]

model = dict(
    backbone=dict(
        # Removes the ResNet of the base config with its weights. No head is pretrained.
        _delete_=True,
        type="SwinTransformer",
        embed_dims=96,
        depths=[2, 2, 6, 2],
        num_heads=[3, 6, 12, 24],
        window_size=7,
        mlp_ratio=4,
        qkv_bias=True,
        qk_scale=None,
        drop_rate=0.0,
        attn_drop_rate=0.0,
        drop_path_rate=0.2,
        patch_norm=True,
        out_indices=(0, 1, 2, 3),
        with_cp=False,
        # The weights have the key layout of the Swin authors' repository.
        convert_weights=True,
    ),
    # Each stage halves the map and doubles the channels: 96 * (1, 2, 4, 8).
    neck=dict(in_channels=[96, 192, 384, 768]),
)

# Augmentation of DETR: resize, or resize, crop and resize. Short side 480, 512 .. 800, long side at most 1333.
scales = [(short, 1333) for short in range(480, 801, 32)]
train_pipeline = [
    dict(type="LoadImageFromFile", backend_args=None),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    dict(type="RandomFlip", prob=0.5),
    dict(
        type="RandomChoice",
        transforms=[
            [dict(type="RandomChoiceResize", scales=scales, keep_ratio=True)],
            [
                dict(type="RandomChoiceResize", scales=[(400, 1333), (500, 1333), (600, 1333)], keep_ratio=True),
                dict(type="RandomCrop", crop_type="absolute_range", crop_size=(384, 600), allow_negative_crop=True),
                dict(type="RandomChoiceResize", scales=scales, keep_ratio=True),
            ],
        ],
    ),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# 3x = 3 * 12 epochs; the learning rate falls at 9/12 and 11/12 of them.
train_cfg = dict(max_epochs=36)
param_scheduler = [
    # Twice schedule_1x's 500 steps.
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=1000),
    dict(type="MultiStepLR", begin=0, end=36, by_epoch=True, milestones=[27, 33], gamma=0.1),
]

optim_wrapper = dict(
    type="AmpOptimWrapper",
    loss_scale=dict(init_scale=512),
    # No weight decay for norms and position parameters.
    paramwise_cfg=dict(
        custom_keys={
            "absolute_pos_embed": dict(decay_mult=0.0),
            "relative_position_bias_table": dict(decay_mult=0.0),
            "norm": dict(decay_mult=0.0),
        }
    ),
    # The paper's learning rate for 16 images, which the blog used for 8.
    optimizer=dict(_delete_=True, type="AdamW", lr=0.0001, betas=(0.9, 0.999), weight_decay=0.05),
)
