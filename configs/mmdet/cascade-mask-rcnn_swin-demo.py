# The blog's recipe with every size shrunk, to train on two CPU cores in about a minute: drawn shapes of 128 x 96 pixels.
# Nothing else changes: same model classes, losses, augmentation, optimizer and schedule shape.
_base_ = './cascade-mask-rcnn_swin-t_blog.py'

# A quarter of Swin-T's 96 channels, 2 blocks a stage; the FPN then has 48 of 256 channels.
channels = 32
rois = dict(sampler=dict(num=32))
model = dict(
    backbone=dict(embed_dims=24, depths=[2, 2, 2, 2], num_heads=[1, 2, 4, 8]),
    neck=dict(in_channels=[24, 48, 96, 192], out_channels=channels),
    rpn_head=dict(in_channels=channels, feat_channels=channels),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=channels),
        bbox_head=[
            dict(head, in_channels=channels, fc_out_channels=64) for head in _base_.model.roi_head.bbox_head
        ],
        mask_roi_extractor=dict(out_channels=channels),
        mask_head=dict(in_channels=channels, conv_out_channels=channels),
    ),
    # 64 of 512 boxes an image and stage, 100 of 1000 to 2000 proposals: an image shows 4 objects at most.
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=200, max_per_img=100),
        rcnn=[dict(stage, sampler=dict(stage.sampler, num=32)) for stage in _base_.model.train_cfg.rcnn],
    ),
    test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=100)),
)

# Short sides of 96 +- 16 in place of 640 +- 160, and crops to match.
scales = [(short, 213) for short in range(80, 113, 16)]
train_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='RandomChoice',
        transforms=[
            [dict(type='RandomChoiceResize', scales=scales, keep_ratio=True)],
            [
                dict(type='RandomChoiceResize', scales=scales, keep_ratio=True),
                dict(type='RandomCrop', crop_type='absolute_range', crop_size=(72, 96), allow_negative_crop=True),
                dict(type='RandomChoiceResize', scales=scales, keep_ratio=True),
            ],
        ],
    ),
    dict(type='PackDetInputs'),
]
test_pipeline = [dict(s, scale=(128, 96)) if s.type == 'Resize' else s for s in _base_.test_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=12)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=20),
    dict(_base_.param_scheduler[1], end=12, milestones=[9, 11]),
]
optim_wrapper = dict(optimizer=dict(lr=0.001))
