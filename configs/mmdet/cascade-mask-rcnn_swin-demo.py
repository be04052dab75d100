# The blog recipe with all sizes reduced: trains on drawn shapes of 128 x 96 pixels, on one CPU core in under a minute.
# Heads, losses, augmentation, optimizer and shape of the schedule stay. The batch size is 2, as on one GPU of the blog.
_base_ = "./cascade-mask-rcnn_swin-t_blog.py"

# An eighth of the FPN's and the heads' 256 channels.
channels = 32
model = dict(
    # A quarter of Swin-T's 96 channels, in 8 of its 12 blocks; windows stay 7 x 7.
    backbone=dict(embed_dims=24, depths=[2, 2, 2, 2], num_heads=[1, 2, 4, 8]),
    neck=dict(in_channels=[24, 48, 96, 192], out_channels=channels),
    rpn_head=dict(in_channels=channels, feat_channels=channels),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=channels),
        bbox_head=[dict(head, in_channels=channels, fc_out_channels=64) for head in _base_.model.roi_head.bbox_head],
        mask_roi_extractor=dict(out_channels=channels),
        mask_head=dict(num_convs=2, in_channels=channels, conv_out_channels=channels),
    ),
    # An image has at most 3 objects and a crowd, so 16 instead of 512 sampled boxes per image and stage are enough, and
    # 100 instead of 1000 to 2000 proposals.
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=200, max_per_img=100),
        rcnn=[dict(stage, sampler=dict(stage.sampler, num=16)) for stage in _base_.model.train_cfg.rcnn],
    ),
    test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=100)),
)

# Short sides 80, 96, 112 around the original 96, like the blog's 480 .. 800 around 640; the crop is 3/4 of an image.
scales = [(short, 213) for short in range(80, 113, 16)]
train_pipeline = [
    dict(type="LoadImageFromFile", backend_args=None),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    dict(type="RandomFlip", prob=0.5),
    dict(
        type="RandomChoice",
        transforms=[
            [dict(type="RandomChoiceResize", scales=scales, keep_ratio=True)],
            [
                dict(type="RandomChoiceResize", scales=scales, keep_ratio=True),
                dict(type="RandomCrop", crop_type="absolute_range", crop_size=(72, 96), allow_negative_crop=True),
                dict(type="RandomChoiceResize", scales=scales, keep_ratio=True),
            ],
        ],
    ),
    dict(type="PackDetInputs"),
]
test_pipeline = [dict(step, scale=(128, 96)) if step.type == "Resize" else step for step in _base_.test_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# 92 images with objects / 2 = 46 steps per epoch: 460 steps in total, of which 20 are warm-up.
train_cfg = dict(max_epochs=10)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=20),
    # 27/36 and 33/36 of 10 epochs are 7.5 and 9.2, rounded to whole epochs.
    dict(_base_.param_scheduler[1], end=10, milestones=[8, 9]),
]
# Ten times the blog's learning rate, because of random weights, a small network and 2000 times fewer steps.
optim_wrapper = dict(optimizer=dict(lr=0.001))
# The batch that this learning rate is tuned for.
auto_scale_lr = dict(base_batch_size=2)
